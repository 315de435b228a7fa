# shellcheck shell=bash
# The webhook's key: it opens function uplink and nothing else. It has one of two names, so that a new one can be made,
# and the webhook changed, while the old one still opens.

key_names=(the-things-stack the-things-stack-2)

create_function_key() {
  step 'Function key'
  retry 'function uplink is not there' find_function_key || fail \
    "found no function uplink in $function_app_name after publishing: $(complaint_line)" \
    "az functionapp function list --resource-group $resource_group --name $function_app_name$in_subscription" 'run this again'
  if [[ -n $function_key && -z $renew_function_key ]]; then
    say 'is there already'
    return
  fi
  # Not the one that the webhook has now.
  if [[ -n $function_key ]]; then
    old_key_name=$function_key_name
    [[ $function_key_name == "${key_names[0]}" ]] && function_key_name=${key_names[1]} || function_key_name=${key_names[0]}
  fi
  azure functionapp function keys set "${of_uplink[@]}" --key-name "$function_key_name" --output none &&
    find_function_key "$function_key_name" && [[ -n $function_key ]] || fail "the key cannot be created: $(complaint_line)" 'run this again'
  say "created${old_key_name:+ as $function_key_name; $old_key_name opens until the webhook has it}"
  [[ -z $old_key_name ]] || sleep "$wait_seconds"
}

# find_function_key [NAME]: sets $function_key_name and $function_key: the one of this name, else the webhook's, else the
# first there is. Every function has its key `default`: a listing without any says nothing, and to set ours then would
# renew it.
find_function_key() {
  of_uplink=(--resource-group "$resource_group" --name "$function_app_name" --function-name uplink)
  local found keys=() at
  read_azure found functionapp function keys list "${of_uplink[@]}" \
    --query '["the-things-stack", "the-things-stack-2", default]' --output tsv || return
  mapfile -t keys <<<"$found"
  function_key_name=${key_names[0]} function_key=''
  for at in 1 0; do
    [[ -n ${keys[at]:-} && ${keys[at]} != None ]] || continue
    [[ -z ${1:-} || $1 == "${key_names[at]}" ]] || continue
    [[ $function_key && $function_key == "${webhook_key_before:-}" ]] || function_key_name=${key_names[at]} function_key=${keys[at]}
  done
  [[ -z $function_key && (-z ${keys[2]:-} || ${keys[2]} == None) ]] || return 0
  complaint='az lists its keys as empty'
  return 1
}

# Once the webhook sends the new one, and what was under way has arrived.
delete_old_function_key() {
  [[ -n $old_key_name ]] || return 0
  step 'Old function key'
  local deletion="az functionapp function keys delete ${of_uplink[*]}$in_subscription --key-name $old_key_name"
  if [[ $(wanted handlerSettings) == *TTS_FURTHER_APPLICATION_IDS* ]]; then
    say "$old_key_name stays: the webhooks of the further applications are yours. Give them $function_key_name, then: $deletion"
    return
  fi
  sleep "$wait_seconds"
  azure functionapp function keys delete "${of_uplink[@]}" --key-name "$old_key_name" --output none || fail \
    "the key $old_key_name cannot be deleted: $(complaint_line)" \
    "$deletion"
  say "$old_key_name opens nothing any more"
}
