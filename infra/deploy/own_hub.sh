# shellcheck shell=bash
# A hub of the bridge's own is deployed as a whole: what somebody has changed or added would be set back, silently.

check_own_hub() {
  local query="[?starts_with(name, 'iothub-') && length(name) == \`20\`]" found hub units name routes endpoints policies
  # Without a suffix the name ends in 13 characters that the template derives.
  [[ -z $name_suffix ]] || query="[?name=='iothub-$name_suffix']"
  read_azure found iot hub list --resource-group "$resource_group" --output tsv --query \
    "$query.[sku.name, sku.capacity, name, join(' ', properties.routing.routes[].name || \`[]\`), join(' ', properties.routing.endpoints.*[][].name || \`[]\`)]" ||
    fail "az cannot list the IoT Hubs of group $resource_group: $(complaint_line)" 'ask for the role Reader or more'
  [[ -n $found ]] || return 0
  # Two tabs would be read as one.
  IFS='|' read -r hub units name routes endpoints <<<"${found//$'\t'/|}"
  check_tier
  read_azure policies iot hub policy list --hub-name "$name" --resource-group "$resource_group" --output tsv --query '[].keyName' ||
    fail "the policies of IoT Hub $name cannot be read: $(complaint_line)" "ask for the role Contributor on group $resource_group"
  local vendor_policy=''
  [[ -z $(wanted vendorPolicyRights) ]] || vendor_policy=iothubowner
  check_additions policy furtherPolicies "device-connect $vendor_policy" "${policies//$'\n'/ }"
  check_additions endpoint furtherEndpoints 'bridge-events cold-path' "$endpoints"
  check_additions route furtherRoutes 'lifecycle twin-changes cold-path built-in' "$routes"
}

# A free hub stays free and a paid one paid: Azure changes no hub from one to the other.
check_tier() {
  local sku wanted_units
  sku=$(wanted iotHubSku) wanted_units=$(wanted iotHubUnits)
  is_parameter iotHubSku && sku=$hub
  is_parameter iotHubUnits && wanted_units=$units
  case $sku/$hub in
    F1/F1) ;;
    */F1) fail "found a free hub in group $resource_group, expected a paid one for --profile $profile: a free hub cannot become one" \
      'run this again with --profile free, or with another --resource-group' ;;
    F1/*) fail "found a hub $hub in group $resource_group, expected a free one for --profile free: a paid hub cannot become one" \
      'run this again with --profile s1, or with another --resource-group' ;;
  esac
  [[ $sku/$wanted_units == "$hub/$units" ]] || fail \
    "found IoT Hub $name with $units units of tier $hub, which this run would change to $wanted_units of $sku" \
    "to keep them: --parameter iotHubSku=$hub --parameter iotHubUnits=$units, in every run" \
    "to change them: --parameter iotHubSku=$sku --parameter iotHubUnits=$wanted_units"
}

# check_additions WHAT PARAMETER OURS FOUND
check_additions() {
  local one given
  given=$(wanted "$2")
  for one in $4; do
    has_word "$3" "$one" || [[ $given == *"\"$one\""* ]] || fail \
      "found $1 $one of IoT Hub $name, which this run would take from it" \
      "to keep it: --parameter '$2=…' with it, in every run; infra/README.md, Reading the messages, has examples" 'or delete it first'
  done
}

# is_parameter NAME: whether --parameter gives it.
is_parameter() {
  local one
  for one in "${parameters[@]}"; do [[ ${one,,} != "${1,,}="* ]] || return 0; done
  return 1
}

# wanted NAME: what this run gives the template for it, by --parameter or by the profile.
wanted() {
  local one value
  value=$(sed -n "s/^param $1 = //p" "$infra/$profile.bicepparam")
  for one in "${parameters[@]}"; do [[ ${one,,} != "${1,,}="* ]] || value=${one#*=}; done
  [[ $value != @* || ! -r ${value#@} ]] || value=$(<"${value#@}")
  printf '%s' "${value//\'/}"
}
