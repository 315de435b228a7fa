# shellcheck shell=bash
# A hub that is there already: what we need is added to it, everything else is left alone. The commands are the az CLI's
# own, deprecated in favour of an extension that would have to be installed first.

hub_policy=bridge-device-connect
hub_endpoint=bridge-events
lifecycle_route=bridge-lifecycle
twin_route=bridge-twin-changes
# Whatever the handler writes itself causes no event.
# shellcheck disable=SC2016
twin_condition='IS_OBJECT($body.properties.desired) OR IS_OBJECT($body.tags.lorawan)'

find_existing_hub() {
  local found next=()
  [[ $command != uninstall ]] || next=("if it is deleted: uninstall … --forget existingIotHubName")
  read_azure found iot hub show --name "$existing_iot_hub" --output tsv --query \
    '[resourcegroup || resourceGroup, id, sku.name, properties.disableLocalAuth, properties.disableDeviceSAS, properties.publicNetworkAccess]' || fail \
    "found no IoT Hub $existing_iot_hub in subscription $subscription: $(complaint_line)" "az iot hub list --output table$in_subscription" \
    "${next[@]}"
  mapfile -t hub <<<"$found"
  hub_group=${hub[0]} hub_id=${hub[1]}
  say "IoT Hub $existing_iot_hub in group $hub_group"
}

# The handler sends by a key of the hub's, over the internet, and keeps state in twins.
check_existing_hub() {
  find_existing_hub
  [[ ${hub[2]} != B* ]] || fail "found an IoT Hub of the basic tier ${hub[2]}, which has no twins" \
    "az iot hub update --name $existing_iot_hub --resource-group $hub_group$in_subscription --sku S1"
  [[ ${hub[3],,} != true ]] || refuse_hub disableLocalAuth true 'which refuses the key the handler sends by' false
  [[ ${hub[4],,} != true ]] || refuse_hub disableDeviceSAS true 'which refuses the keys of devices' false
  [[ ${hub[5],,} != disabled ]] || refuse_hub publicNetworkAccess Disabled 'which nobody reaches from outside its network' Enabled
  # Its key goes to the handler: one of this name that may do more is somebody else's.
  read_hub policy_rights policy list --query "[?keyName=='$hub_policy'].rights"
  [[ -z $policy_rights || $policy_rights == DeviceConnect ]] || fail \
    "found policy $hub_policy of IoT Hub $existing_iot_hub with the rights $policy_rights, expected DeviceConnect alone" \
    'delete it if nobody uses it, then run this again; or choose another hub'
}

# refuse_hub PROPERTY FOUND REASON EXPECTED
refuse_hub() {
  fail "found IoT Hub $existing_iot_hub with $1 $2, $3; expected $4" \
    "az iot hub update --name $existing_iot_hub --resource-group $hub_group$in_subscription --set properties.$1=$4" 'or choose another hub'
}

# Its key goes into the vault with the template, so it must be there first.
add_policy_to_hub() {
  step "Policy of IoT Hub $existing_iot_hub"
  if [[ -n $policy_rights ]]; then
    say "$hub_policy is there already"
    return
  fi
  change_hub policy create --name "$hub_policy" --permissions DeviceConnect
  say "$hub_policy added, with DeviceConnect only"
}

add_routes_to_hub() {
  step "Endpoint and routes of IoT Hub $existing_iot_hub"
  local names
  change_hub identity assign --user-assigned "$hub_identity_id"
  add_endpoint
  read_hub names route list --query '[].name'
  add_route "$names" "$lifecycle_route" devicelifecycleevents true
  add_route "$names" "$twin_route" twinchangeevents "$twin_condition"
}

add_endpoint() {
  read_endpoint
  if [[ -z $endpoint_host ]]; then
    retry 'a role is not known everywhere' try_endpoint || fail "the endpoint cannot be added: $(complaint_line)" \
      "a free hub has one endpoint only: az iot hub routing-endpoint list --hub-name $existing_iot_hub --resource-group $hub_group$in_subscription" 'run this again'
    say "endpoint $hub_endpoint added"
    return
  fi
  [[ $endpoint_host == "${event_hubs_host,,}" && $endpoint_hub == "$event_hub" ]] || fail_endpoint_elsewhere "$event_hubs_host, hub $event_hub"
  say "endpoint $hub_endpoint is there already"
}

# Before anything is created: a new bridge finds no endpoint of its own.
check_endpoint_name() {
  read_endpoint
  [[ -z $endpoint_host ]] || fail_endpoint_elsewhere 'none, for the bridge is new'
}

# fail_endpoint_elsewhere EXPECTED: what leads to it is called otherwise on a hub that another bridge made.
fail_endpoint_elsewhere() {
  local routes one hub="--hub-name $existing_iot_hub --resource-group $hub_group$in_subscription" next=()
  read_routes_to_endpoint
  for one in "${routes[@]}"; do next+=("if nobody uses it: az iot hub route delete $hub --route-name $one"); done
  fail "found an endpoint $hub_endpoint that points to $endpoint_host, hub $endpoint_hub, expected $1" \
    'if another bridge uses it: give this one another hub, or uninstall the other' "${next[@]}" \
    "if nobody uses it: az iot hub routing-endpoint delete $hub --endpoint-name $hub_endpoint" 'then run this again'
}

# Sets $routes: an endpoint that a route leads to cannot be deleted.
read_routes_to_endpoint() {
  local names
  read_hub names route list --query "[?contains(endpointNames, '$hub_endpoint')].name"
  routes=()
  [[ -z $names ]] || mapfile -t routes <<<"$names"
}

# Sets $endpoint_host and $endpoint_hub, empty if there is no endpoint of our name.
read_endpoint() {
  local there
  read_hub there routing-endpoint list --endpoint-type eventhub --query "[?name=='$hub_endpoint'].[endpointUri, entityPath]"
  # Azure may add a slash or a port to the host.
  endpoint_host=${there%%$'\t'*} endpoint_hub=${there##*$'\t'}
  endpoint_host=${endpoint_host#sb://}
  endpoint_host=${endpoint_host%%[:/]*}
  endpoint_host=${endpoint_host,,}
}

try_endpoint() {
  azure iot hub routing-endpoint create --hub-name "$existing_iot_hub" --resource-group "$hub_group" \
    --endpoint-name "$hub_endpoint" --endpoint-type eventhub --auth-type identityBased --identity "$hub_identity_id" \
    --endpoint-uri "sb://$event_hubs_host" --entity-path "$event_hub" \
    --endpoint-resource-group "$resource_group" --endpoint-subscription-id "$subscription" --output none
}

# add_route NAMES ROUTE SOURCE CONDITION
add_route() {
  local verb=create
  has_line "$1" "$2" && verb=update
  change_hub route "$verb" --route-name "$2" --source-type "$3" --endpoint-name "$hub_endpoint" --condition "$4" --enabled true
  say "route $2: ${verb}d"
}

# read_hub NAME GROUP ARGUMENT…
read_hub() {
  local name=$1
  shift
  read_azure "$name" iot hub "${@:1:2}" --hub-name "$existing_iot_hub" --resource-group "$hub_group" "${@:3}" --output tsv ||
    fail "IoT Hub $existing_iot_hub cannot be read: $(complaint_line)" "ask for the role Contributor on $existing_iot_hub"
}

change_hub() {
  local option=--hub-name
  [[ $1 != identity ]] || option=--name
  azure iot hub "${@:1:2}" "$option" "$existing_iot_hub" --resource-group "$hub_group" "${@:3}" --output none ||
    fail "IoT Hub $existing_iot_hub cannot be changed: $(complaint_line)" \
      "ask for the role Contributor on $existing_iot_hub; what is there already is kept: run this again"
}

has_line() {
  [[ $'\n'$1$'\n' == *$'\n'"$2"$'\n'* ]]
}
