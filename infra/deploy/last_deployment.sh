# shellcheck shell=bash
# What the group's last deployment was given: whatever is not given again would go back to its default, silently.

# Sets $last_hub and $last_hub_group, the hub the bridge uses, $last_webhook, where it listens, and $last_given; all empty
# without a deployment.
read_last_deployment() {
  local found last=() at
  last_hub='' last_hub_group='' last_webhook='' last_given=''
  if ! read_azure found deployment group show --name "$deployment" --resource-group "$resource_group" --output tsv --query \
    'properties.[outputs.iotHubName.value, outputs.iotHubResourceGroup.value, parameters.existingIotHubName.value, parameters.existingIotHubResourceGroup.value, parameters.givenParameters.value, outputs.webhookBaseUrl.value]'; then
    [[ $complaint == *DeploymentNotFound* || $complaint == *'could not be found'* ]] ||
      fail "the last deployment of group $resource_group cannot be read: $(complaint_line)" 'ask for the role Reader or more on the group'
    return 0
  fi
  mapfile -t last <<<"$found"
  for at in "${!last[@]}"; do [[ ${last[at]} != None ]] || last[at]=''; done
  # One that failed has no outputs.
  last_hub=${last[0]:-} last_hub_group=${last[1]:-} last_given=${last[4]:-} last_webhook=${last[5]:-}
  [[ -n $last_hub || -z ${last[2]:-} ]] || last_hub=${last[2]} last_hub_group=${last[3]:-$resource_group}
}

# Sets $given: what this run gives the template beside the profile, by name.
name_given_parameters() {
  local one
  given="profile=$profile"
  [[ -z $name_suffix ]] || given+=' nameSuffix'
  [[ -z $existing_iot_hub ]] || given+=' existingIotHubName'
  [[ -z ${WEBHOOK_SECRET:-} ]] || given+=' webhookSecret'
  [[ -z ${ALERT_EMAIL:-} ]] || given+=' alertEmail'
  [[ $tts_identity_address == "$tts_address" ]] || given+=' handlerSettings'
  # Who may not set webhooks this time leaves the one there is as it is.
  for one in $last_given; do
    [[ -z $no_webhook || $one != webhook=* ]] || given+=" $one"
  done
  [[ -n $no_webhook ]] || given+=" webhook=$webhook_id"
  for one in "${parameters[@]}"; do
    has_word "$given" "${one%%=*}" || given+=" ${one%%=*}"
  done
}

check_last_deployment() {
  [[ $group_exists == true ]] || return 0
  read_last_deployment
  local given name lacking=()
  name_given_parameters
  # The hub is known even where nothing says what was given.
  [[ -z $last_hub || ${last_hub_group,,} == "${resource_group,,}" ]] || has_word "$last_given" existingIotHubName || last_given+=' existingIotHubName'
  for name in $last_given; do
    has_word "$given" "$name" || is_forgotten "$name" || lacking+=("$name")
  done
  ((${#lacking[@]} == 0)) || fail_lacking "${lacking[@]}"
  [[ -z $existing_iot_hub || -z $last_hub || ${last_hub,,} == "${existing_iot_hub,,}" ]] || is_forgotten existingIotHubName || fail \
    "found a bridge that uses IoT Hub $last_hub, expected $existing_iot_hub: devices, twins and consumers would stay behind" \
    'give the hub it uses, or another --resource-group' \
    "or, if the bridge is to change hubs: --forget existingIotHubName; what it added to $last_hub stays there"
}

# fail_lacking NAME…
fail_lacking() {
  local name value next=()
  for name in "$@"; do
    case ${name,,} in
      profile=*) next+=("--profile ${name#*=}") ;;
      webhook=*) next+=("--webhook-id ${name#*=}; without it a second webhook would send everything twice") ;;
      webhooksecret) next+=('export WEBHOOK_SECRET; in the Console, the webhook shows it as header X-Webhook-Secret') ;;
      *)
        read_azure value deployment group show --name "$deployment" --resource-group "$resource_group" --output json \
          --query "properties.parameters.$name.value" || value=VALUE
        next+=("$(option_of "$name" "$value")")
        ;;
    esac
  done
  fail "found a last deployment that was given $*, which this run lacks and would set back" \
    "${next[@]/#/give it again: }" "or, if it is to be set back: ${*/#/--forget }"
}

# option_of NAME JSON: how the script is given the parameter.
option_of() {
  local value=${2//$'\n'/ }
  [[ $value != null ]] || value=…
  while [[ $value == *'  '* ]]; do value=${value//  / }; done
  value=${value#\"}
  value=${value%\"}
  case ${1,,} in
    existingiothubname) printf '%s' "--existing-iot-hub $value; without it the bridge would move to a new hub" ;;
    namesuffix) printf '%s' "--name-suffix $value" ;;
    alertemail) printf '%s' "export ALERT_EMAIL=$value" ;;
    *) printf '%s' "--parameter '$1=$value'" ;;
  esac
}

# is_forgotten NAME: whether --forget names the parameter.
is_forgotten() {
  has_word "${forgotten[*]}" "$1"
}

# has_word WORDS WORD
has_word() {
  [[ " ${1,,} " == *" ${2,,} "* ]]
}
