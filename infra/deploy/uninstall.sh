# shellcheck shell=bash
# Takes everything away again.

uninstall() {
  [[ -n $resource_group ]] || fail_usage 'found no --resource-group'
  command -v az >/dev/null || fail 'found no az CLI' 'install it: https://learn.microsoft.com/cli/azure/install-azure-cli'
  check_account
  local exists names
  read_azure exists group exists --name "$resource_group" || fail "az cannot look for the group: $(complaint_line)" 'az login'
  [[ $exists == true ]] || fail "found no resource group $resource_group" 'az group list --output table'
  [[ -z $existing_iot_hub ]] || spare_existing_hub
  step "Everything in resource group $resource_group will be deleted"
  azure resource list --resource-group "$resource_group" --query '[].[type, name]' --output tsv
  confirm
  [[ -z $existing_iot_hub ]] || take_from_hub
  azure group delete --name "$resource_group" --yes || fail "the group cannot be deleted: $(complaint_line)" \
    'a lock may hold it: az lock list; then run this again'
  say "Deleted. The vault's name stays taken until its retention is over; another --name-suffix is free at once."
  say 'In the Console of The Things Stack, delete the webhook and the API key.'
}

spare_existing_hub() {
  find_existing_hub
  [[ ${hub_group,,} != "${resource_group,,}" ]] || fail \
    "found IoT Hub $existing_iot_hub in group $resource_group, which would be deleted with all its devices" \
    'move the hub into another group first: az resource move'
}

# Routes first: an endpoint in use cannot be deleted.
take_from_hub() {
  local names route identity=''
  read_hub names route list --query '[].name'
  for route in "$lifecycle_route" "$twin_route"; do
    has_line "$names" "$route" && change_hub route delete --route-name "$route"
  done
  read_hub names routing-endpoint list --endpoint-type eventhub --query '[].name'
  has_line "$names" "$hub_endpoint" && change_hub routing-endpoint delete --endpoint-name "$hub_endpoint"
  # A hub with an identity that is gone takes no further changes.
  read_azure identity deployment group show --resource-group "$resource_group" --name "$deployment" \
    --query properties.outputs.hubIdentityId.value --output tsv || say 'found no deployment, hence no identity to remove'
  [[ -z $identity ]] || change_hub identity remove --user-assigned "$identity"
  read_hub names policy list --query '[].keyName'
  has_line "$names" "$hub_policy" && change_hub policy delete --name "$hub_policy"
  say "IoT Hub $existing_iot_hub: our routes, endpoint, identity and policy are gone, the rest is as it was"
}

confirm() {
  [[ -z $yes ]] || return 0
  local typed=''
  read -rp "Type the group's name to delete it: " typed || true
  [[ $typed == "$resource_group" ]] || fail "found \`$typed\`, expected $resource_group; nothing was deleted" 'run this again'
}
