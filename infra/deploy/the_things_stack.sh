# shellcheck shell=bash
# The Things Stack's side: the key's rights, the webhook, a simulated uplink.

message_types=(uplink_message uplink_normalized join_accept downlink_ack downlink_nack downlink_sent downlink_failed
  downlink_queued downlink_queue_invalidated location_solved service_data)
# What the function app needs, and what setting up needs beside it.
app_rights=(DEVICES_READ DEVICES_WRITE DEVICES_WRITE_KEYS TRAFFIC_READ TRAFFIC_DOWN_WRITE)
webhook_rights=(SETTINGS_BASIC TRAFFIC_READ TRAFFIC_DOWN_WRITE)
simulate_rights=(TRAFFIC_UP_WRITE)

# tts ADDRESS KEY METHOD PATH [BODY]: sets $status, 000 without an answer, and $answer. Key and body reach curl through pipes, for
# its arguments are in everybody's list of processes.
tts() {
  local body=()
  [[ -z ${5:-} ]] || body=(--header 'Content-Type: application/json' --data-binary @/dev/fd/4)
  answer=$(curl --silent --show-error --max-time 30 --user-agent the-things-stack-azure-iot-hub-deploy \
    --config /dev/fd/3 --request "$3" --write-out '\n%{http_code}' "${body[@]}" "$1/api/v3$4" \
    3< <(printf 'header = "Authorization: Bearer %s"\n' "$2") 4< <(printf '%s' "${5:-}") 2>&1) || true
  status=${answer##*$'\n'}
  answer=${answer%$'\n'*}
}

# The error's own words, or the beginning of what came instead.
tts_complaint() {
  if [[ $answer =~ \"message\":\"(([^\"\\]|\\.)*)\" ]]; then
    printf '%s %s' "$status" "${BASH_REMATCH[1]}"
  else
    printf '%s %s' "$status" "${answer:0:200}"
  fi
}

check_the_things_stack() {
  check_key STACK_API_KEY "$STACK_API_KEY"
  require_rights STACK_API_KEY "${app_rights[@]}"
  [[ $setup_key == "$STACK_API_KEY" ]] || check_key STACK_SETUP_API_KEY "$setup_key"
  local lacking
  lacking=$(rights_lacking "${webhook_rights[@]}")
  if [[ -z $no_webhook && -n $lacking ]]; then
    say "the key lacks $lacking, so the webhook will be yours to enter"
    no_webhook=yes
  fi
  [[ -z $renew_function_key || -z $no_webhook ]] || fail 'found --renew-function-key where the webhook is not ours to set' \
    'give a key with the rights above in STACK_SETUP_API_KEY, and leave --no-webhook out'
  [[ -z $simulate ]] || require_rights 'the key that simulates' "${simulate_rights[@]}"
  [[ -n $no_webhook || -n $what_if ]] || check_webhook
}

# check_key NAME KEY: asks The Things Stack what it may do; the answer stays in $answer.
check_key() {
  tts "$tts_identity_address" "$2" GET "/applications/$tts_application/rights"
  case $status in
    200) say "The Things Stack at $tts_identity_address knows $1" ;;
    000) fail "The Things Stack does not answer at $tts_identity_address: ${answer:0:200}" \
      'check --tts-address, and that this machine may reach it' ;;
    401 | 403) fail "The Things Stack does not accept $1 for application $tts_application: $(tts_complaint)" \
      "in the Console: Applications → $tts_application → API keys; a key belongs to one application and one cluster" ;;
    *) fail "The Things Stack at $tts_identity_address answers $(tts_complaint), expected the rights of $1" \
      'check --tts-address and --tts-application; in Cloud --tts-identity-address is the eu1 cluster' ;;
  esac
}

# require_rights NAME RIGHT…: of the key asked last.
require_rights() {
  local name=$1 lacking
  shift
  lacking=$(rights_lacking "$@")
  [[ -z $lacking ]] || fail "found $name without $lacking" \
    "in the Console: Applications → $tts_application → API keys → the key → give it these rights"
}

rights_lacking() {
  local right lacking=()
  for right in "$@"; do
    [[ $answer == *'"RIGHT_APPLICATION_ALL"'* || $answer == *"\"RIGHT_APPLICATION_$right\""* ]] ||
      lacking+=("RIGHT_APPLICATION_$right")
  done
  printf '%s' "${lacking[*]}"
}

# Sets what the webhook is now, empty if there is none of that name.
check_webhook() {
  tts "$tts_address" "$setup_key" GET "/as/webhooks/$tts_application/$webhook_id?field_mask=base_url,headers"
  webhook_before='' webhook_key_before='' webhook_secret_before=''
  [[ $status != 404 ]] || return 0
  [[ $status == 200 ]] || fail "the webhooks of $tts_application cannot be read: $(tts_complaint)" 'run this again'
  webhook_before=$(text_in_answer base_url)
  webhook_key_before=$(text_in_answer x-functions-key)
  webhook_secret_before=$(text_in_answer x-webhook-secret)
}

# text_in_answer NAME: the text of this name, whatever its case, escaped as in ours.
text_in_answer() {
  local pattern='"'$1'":"(([^"\\]|\\.)*)"' text=''
  shopt -s nocasematch
  [[ ! $answer =~ $pattern ]] || text=${BASH_REMATCH[1]}
  text=${text//\\u003c/<}
  text=${text//\\u003e/>}
  printf '%s' "${text//\\u0026/&}"
}

# Before anything is created: a webhook of that name that sends elsewhere is somebody else's.
check_webhook_owner() {
  [[ -n ${webhook_before:-} ]] || return 0
  [[ $group_exists == true ]] || refuse_webhook 'none, for the bridge is new'
  [[ -z $last_webhook || $last_webhook == "$webhook_before" ]] || refuse_webhook "none or one to $last_webhook"
}

# refuse_webhook EXPECTED
refuse_webhook() {
  fail "found a webhook $webhook_id that sends to $webhook_before, expected $1" \
    'run this again with another --webhook-id, or delete it in the Console first'
}

# Before the setting changes: until the webhook has another secret, minutes later, it is refused what it sends.
check_webhook_secret() {
  [[ -n ${webhook_before:-} ]] || return 0
  if [[ -z $WEBHOOK_SECRET ]]; then
    [[ -z $webhook_secret_before ]] || is_forgotten webhookSecret || fail \
      "found webhook $webhook_id with the header X-Webhook-Secret, and no WEBHOOK_SECRET: from now on the function key alone would guard it" \
      'export WEBHOOK_SECRET with the value that the Console shows' 'or, if that is meant: --forget webhookSecret'
    return 0
  fi
  [[ ",$(escaped "$WEBHOOK_SECRET")," != *",$webhook_secret_before,"* ]] || return 0
  [[ -n $webhook_secret_before ]] || fail \
    "found webhook $webhook_id without the header X-Webhook-Secret: what it sends would be refused until it has it" \
    'in the Console, add the header with the first secret of WEBHOOK_SECRET to the webhook, then run this again'
  fail "found webhook $webhook_id with a secret that is not in WEBHOOK_SECRET: what it sends would be refused until it has the new one" \
    'export WEBHOOK_SECRET=NEW,OLD and run this again, then WEBHOOK_SECRET=NEW and run it once more'
}

# Each type has its name as path: by that the workbook tells them apart.
set_webhook() {
  step 'Webhook'
  if [[ -n $no_webhook ]]; then
    say_what_to_enter
    return
  fi
  [[ -z $webhook_before || $webhook_before == "$webhook_base_url" ]] || refuse_webhook "none or one to $webhook_base_url"
  local type types='' paths='"base_url","headers","format"'
  for type in "${message_types[@]}"; do
    types+=",\"$type\":{\"path\":\"/${type//_/-}\"}"
    paths+=",\"$type\""
  done
  tts "$tts_address" "$setup_key" PUT "/as/webhooks/$tts_application/$webhook_id" "$(printf \
    '{"webhook":{"ids":{"application_ids":{"application_id":"%s"},"webhook_id":"%s"},"base_url":"%s","headers":{%s},"format":"json"%s},"field_mask":{"paths":[%s]}}' \
    "$tts_application" "$webhook_id" "$webhook_base_url" "$(webhook_headers)" "$types" "$paths")"
  [[ $status == 200 ]] || fail "The Things Stack does not take the webhook: $(tts_complaint)" \
    'run this again, or with --no-webhook and enter it in the Console'
  say "$webhook_id sends all message types of $tts_application to $webhook_base_url"
}

# The first of the secrets; the others are for rotation.
webhook_headers() {
  printf '"x-functions-key":"%s"' "$function_key"
  local secret=${WEBHOOK_SECRET%%,*}
  [[ -z $secret ]] || printf ',"X-Webhook-Secret":"%s"' "$(escaped "$secret")"
}

# escaped TEXT: as in JSON.
escaped() {
  local text=${1//\\/\\\\}
  printf '%s' "${text//\"/\\\"}"
}

say_what_to_enter() {
  cat <<TEXT
Enter in the Console: Applications → $tts_application → Integrations → Webhooks → Add webhook → Custom webhook

  Webhook ID          $webhook_id
  Webhook format      JSON
  Base URL            $webhook_base_url
  Additional headers  x-functions-key = what this prints:
                        az functionapp function keys list --resource-group $resource_group --name $function_app_name$in_subscription \\
                          --function-name uplink --query '"$function_key_name"' --output tsv
TEXT
  [[ -z $WEBHOOK_SECRET ]] || say '                      X-Webhook-Secret = the first secret of WEBHOOK_SECRET'
  say '  Enabled messages    all of them, each with its own name as path (/uplink-message, /join-accept and so on) or none'
}

verify_chain() {
  step 'Check'
  local host_key path
  read_azure host_key functionapp keys list --resource-group "$resource_group" --name "$function_app_name" \
    --query functionKeys.default --output tsv || fail "the app's keys cannot be read: $(complaint_line)" 'run this again'
  path=$health_url
  retry 'the handler does not answer' is_well "$path" "$host_key" || fail \
    "the handler is not well at $path: ${answer:0:600}" \
    "Application Insights in group $resource_group shows why: Failures and Traces" \
    'a setting that could not be read from Key Vault heals within minutes: run this again'
  say "the handler is well at $path"
  if [[ -z $simulate ]]; then
    say 'No uplink was simulated; --simulate DEVICE follows one into IoT Hub.'
    return
  fi
  follow_uplink "$path" "$host_key"
}

# health URL KEY: sets $status and $answer.
health() {
  answer=$(curl --silent --show-error --max-time 30 --config /dev/fd/3 --write-out '\n%{http_code}' "$1" \
    3< <(printf 'header = "x-functions-key: %s"\n' "$2") 2>&1) || true
  status=${answer##*$'\n'}
  answer=${answer%$'\n'*}
}

is_well() {
  health "$1" "$2"
  [[ $status == 200 && $answer == *'"status":"ok"'* ]]
}

# When this instance last reached IoT Hub.
hub_success() {
  [[ $answer =~ \"iot_hub\":\{\"last_success\":\"([^\"]*)\" ]] && printf '%s' "${BASH_REMATCH[1]}"
}

follow_uplink() {
  local before
  before=$(hub_success || true)
  tts "$tts_address" "$setup_key" POST "/as/applications/$tts_application/devices/$simulate/up/simulate" \
    '{"uplink_message":{"f_port":1,"f_cnt":1,"frm_payload":"AQ==","settings":{"data_rate":{"lora":{"bandwidth":125000,"spreading_factor":7}},"frequency":"868300000"},"rx_metadata":[{"gateway_ids":{"gateway_id":"simulated"},"rssi":-60,"snr":7}]}}'
  [[ $status == 200 ]] || fail "The Things Stack does not simulate an uplink of $simulate: $(tts_complaint)" \
    "check that device $simulate is registered in application $tts_application"
  say "The Things Stack simulates an uplink of $simulate"
  retry 'IoT Hub has no message of it' has_arrived "$1" "$2" "$before" || fail \
    "the uplink did not reach IoT Hub; the handler says ${answer:0:600}" \
    "in the Console: the application's live data shows as.webhook.fail with the reason; handler/UPLINKS.md says what it means"
  say 'IoT Hub has taken a message since. It is this one, with the property simulated, unless other devices send right now.'
}

has_arrived() {
  health "$1" "$2"
  local now
  now=$(hub_success) && [[ $now != "$3" ]]
}
