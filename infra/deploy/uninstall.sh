# shellcheck shell=bash
# Takes everything away again.

uninstall() {
  [[ -n $resource_group ]] || fail_usage 'found no --resource-group'
  command -v az >/dev/null || fail 'found no az CLI' 'install it: https://learn.microsoft.com/cli/azure/install-azure-cli'
  check_account
  find_group
  [[ $group_exists == true ]] || fail "found no resource group $resource_group" "az group list --output table$in_subscription"
  local hubs=()
  find_used_hubs
  for existing_iot_hub in "${hubs[@]}"; do spare_existing_hub; done
  step "Everything in resource group $resource_group will be deleted"
  azure resource list --resource-group "$resource_group" --query '[].[type, name]' --output tsv
  confirm
  for existing_iot_hub in "${hubs[@]}"; do
    find_existing_hub
    take_from_hub
  done
  azure group delete --name "$resource_group" --yes || fail "the group cannot be deleted: $(complaint_line)" \
    "a lock may hold it: az lock list --resource-group $resource_group$in_subscription; then run this again"
  say "Deleted. The vault's name stays taken until its retention is over; another --name-suffix is free at once."
  say 'In the Console of The Things Stack, delete the webhook and the API key.'
}

# Sets $hubs: those outside the group that this bridge uses, whether or not the arguments name one. Without the group's
# identity and event hub, what is left in them would be broken.
find_used_hubs() {
  local found name group identities unlisted=''
  [[ -z $existing_iot_hub ]] || hubs=("$existing_iot_hub")
  read_azure found iot hub list --output tsv --query \
    "[].[name, resourcegroup || resourceGroup, join(',', keys(identity.userAssignedIdentities || \`{}\`))]" ||
    unlisted="az says $(complaint_line)"
  while IFS=$'\t' read -r name group identities; do
    [[ ${group,,} != "${resource_group,,}" ]] || check_sole_user "$name" "$identities"
    [[ ${identities,,} != *"/resourcegroups/${resource_group,,}/"* ]] || add_used_hub "$name" "$group"
  done <<<"$found"
  is_forgotten existingIotHubName && return
  read_last_deployment
  [[ -z $last_hub ]] || add_used_hub "$last_hub" "$last_hub_group"
  [[ -z $unlisted || -n $last_hub$existing_iot_hub ]] || fail "found neither a deployment nor the hubs of subscription $subscription: $unlisted" \
    'ask for the role Reader or more: a hub outside the group may be in use' 'or, if there is none: --forget existingIotHubName'
}

# check_sole_user NAME IDENTITIES: a hub in the group goes with it, and with it what another bridge uses.
check_sole_user() {
  local one ids=()
  IFS=, read -ra ids <<<"$2"
  for one in "${ids[@]}"; do
    [[ ${one,,} != */id-hub-* || ${one,,} == *"/resourcegroups/${resource_group,,}/"* ]] || fail \
      "found IoT Hub $1 in group $resource_group, which another bridge uses, too: by $one" \
      'uninstall that bridge first; or move the hub into another group: az resource move'
  done
}

# add_used_hub NAME GROUP
add_used_hub() {
  [[ ${2,,} != "${resource_group,,}" ]] || return 0
  local known
  for known in "${hubs[@]}"; do [[ ${known,,} != "${1,,}" ]] || return 0; done
  hubs+=("$1")
}

spare_existing_hub() {
  find_existing_hub
  [[ ${hub_group,,} != "${resource_group,,}" ]] || fail \
    "found IoT Hub $existing_iot_hub in group $resource_group, which would be deleted with all its devices" \
    'move the hub into another group first: az resource move'
  say 'It stays; what the bridge added to it goes.'
}

take_from_hub() {
  if is_of_another_bridge; then
    say "endpoint $hub_endpoint points to $endpoint_host, another bridge's: it, its routes and policy $hub_policy stay"
  else
    take_routes_from_hub
  fi
  take_identities_from_hub
  say "IoT Hub $existing_iot_hub: what was ours is gone, the rest is as it was"
}

is_of_another_bridge() {
  local namespaces
  read_endpoint
  read_azure namespaces eventhubs namespace list --resource-group "$resource_group" --query '[].name' --output tsv ||
    fail "the event hubs of group $resource_group cannot be listed: $(complaint_line)" 'run this again'
  [[ -n $endpoint_host ]] && ! has_line "${namespaces,,}" "${endpoint_host%%.*}"
}

take_routes_from_hub() {
  local names routes route
  read_routes_to_endpoint
  for route in "${routes[@]}"; do change_hub route delete --route-name "$route"; done
  [[ -z $endpoint_host ]] || change_hub routing-endpoint delete --endpoint-name "$hub_endpoint"
  read_hub names policy list --query '[].keyName'
  has_line "$names" "$hub_policy" && change_hub policy delete --name "$hub_policy"
  return 0
}

take_identities_from_hub() {
  local found identities one name id principal
  read_azure found identity list --resource-group "$resource_group" --query '[].[name, id, principalId]' --output tsv ||
    fail "the identities of group $resource_group cannot be listed: $(complaint_line)" 'run this again'
  mapfile -t identities <<<"$found"
  for one in "${identities[@]}"; do
    IFS=$'\t' read -r name id principal <<<"$one"
    case $name in
      id-hub-*) detach_identity "$id" ;;
      id-app-*) take_roles_from_hub "$principal" ;;
    esac
  done
}

# A hub with an identity that is gone takes no further changes. To remove one that is not attached, e.g. in a second try,
# fails, as does another spelling than the hub's.
detach_identity() {
  local found attached one
  # shellcheck disable=SC2016
  read_azure found iot hub show --name "$existing_iot_hub" --resource-group "$hub_group" --output tsv \
    --query 'keys(identity.userAssignedIdentities || `{}`)' ||
    fail "IoT Hub $existing_iot_hub cannot be read: $(complaint_line)" 'run this again'
  mapfile -t attached <<<"$found"
  for one in "${attached[@]}"; do
    [[ ${one,,} != "${1,,}" ]] || change_hub identity remove --user-assigned "$one"
  done
}

# take_roles_from_hub PRINCIPAL: nobody else removes them when their holder is gone.
take_roles_from_hub() {
  local found='' roles=()
  read_azure found role assignment list --scope "$hub_id" --output tsv --query "[?principalId=='$1'].id" \
    --fill-principal-name false || say "the hub's roles cannot be read: $(complaint_line)"
  [[ -n $found ]] || return 0
  mapfile -t roles <<<"$found"
  azure role assignment delete --ids "${roles[@]}" --output none || say \
    "roles of the deleted function app stay on $existing_iot_hub, without harm: $(complaint_line)"
}

confirm() {
  [[ -z $yes ]] || return 0
  local typed=''
  read -rp "Type the group's name to delete it: " typed || true
  [[ $typed == "$resource_group" ]] || fail "found \`$typed\`, expected $resource_group; nothing was deleted" 'run this again'
}
