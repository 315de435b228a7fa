# shellcheck shell=bash
# What the group's last deployment says.

# Sets $last_hub and $last_hub_group: the hub the bridge uses, empty without a deployment.
read_last_deployment() {
  local found last=()
  last_hub='' last_hub_group=''
  if ! read_azure found deployment group show --name "$deployment" --resource-group "$resource_group" --output tsv --query \
    'properties.[outputs.iotHubName.value, outputs.iotHubResourceGroup.value, parameters.existingIotHubName.value, parameters.existingIotHubResourceGroup.value]'; then
    [[ $complaint == *DeploymentNotFound* || $complaint == *'could not be found'* ]] ||
      fail "the last deployment of group $resource_group cannot be read: $(complaint_line)" 'ask for the role Reader or more on the group'
    return 0
  fi
  mapfile -t last <<<"${found//None/}"
  # One that failed has no outputs.
  last_hub=${last[0]:-} last_hub_group=${last[1]:-}
  [[ -n $last_hub || -z ${last[2]:-} ]] || last_hub=${last[2]} last_hub_group=${last[3]:-$resource_group}
}

# is_forgotten NAME: whether --forget names the parameter.
is_forgotten() {
  [[ " ${forgotten[*]} " == *" $1 "* ]]
}
