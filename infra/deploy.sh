#!/usr/bin/env bash
# Deploys the bridge into a resource group of Azure and tells The Things Stack where to send. Safe to run again.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
  printf 'error: found bash %s, expected 4.4 or newer\n next: install it (macOS: brew install bash)\n' "$BASH_VERSION" >&2
  exit 1
fi

infra=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$infra/deploy/say.sh"
source "$infra/deploy/prerequisites.sh"
source "$infra/deploy/own_hub.sh"
source "$infra/deploy/azure.sh"
source "$infra/deploy/last_deployment.sh"
source "$infra/deploy/existing_hub.sh"
source "$infra/deploy/function_key.sh"
source "$infra/deploy/the_things_stack.sh"
source "$infra/deploy/uninstall.sh"

usage() {
  cat <<'TEXT'
usage: infra/deploy.sh --resource-group NAME --location REGION --tts-address URL --tts-application ID [option …]
       infra/deploy.sh uninstall --resource-group NAME [option …]

  --profile free|s1            size and price, see infra/README.md; s1 unless given
  --what-if                    show what would change in Azure, change nothing
  --subscription ID            the subscription, if it is not the one `az account show` names
  --name-suffix TEXT           end of all names; derived from the resource group unless given
  --existing-iot-hub NAME      use this hub; its own routes, endpoints and policies are left alone
  --forget NAME                go on without this parameter of the last deployment; repeatable
  --parameter NAME=VALUE       any other parameter of infra/main.bicep; repeatable; never a secret
  --tts-identity-address URL   the Identity Server's address, if it lives on another cluster (in Cloud always eu1)
  --zip FILE                   publish this zip, e.g. a release's; built from this clone unless given
  --webhook-id ID              what the webhook is called; azure-iot-hub unless given
  --no-webhook                 only say what to enter in the Console
  --renew-function-key         make a new key, give it to the webhook, then delete the old one
  --simulate DEVICE            let The Things Stack simulate an uplink of this device and follow it into IoT Hub
  --yes                        uninstall without asking

Secrets come from the environment only, and so does who gets mail when an alert fires:
  STACK_API_KEY                API key of the application, for the function app
  WEBHOOK_SECRET               optional: shared secrets of the webhook, joined by commas, at least 16 characters each
  STACK_SETUP_API_KEY          optional: the key that sets the webhook up and simulates; STACK_API_KEY unless given
  ALERT_EMAIL                  optional, with profile s1
TEXT
}

command=deploy profile=s1 resource_group='' location='' subscription='' name_suffix='' existing_iot_hub=''
tts_address='' tts_identity_address='' tts_application='' webhook_id=azure-iot-hub simulate='' zip=''
what_if='' no_webhook='' renew_function_key='' old_key_name='' yes=''
parameters=() forgotten=()
in_subscription='' hub_group='' last_given=''

read_arguments() {
  [[ ${1:-} == uninstall ]] && command=uninstall && shift
  while (($#)); do
    case $1 in
      -h | --help) usage && exit 0 ;;
      --what-if | --no-webhook | --renew-function-key | --yes) set_option "$1" yes && shift && continue ;;
      --profile | --resource-group | --location | --subscription | --name-suffix | --existing-iot-hub) ;;
      --tts-address | --tts-identity-address | --tts-application | --webhook-id | --simulate | --zip | --parameter | --forget) ;;
      *) fail_usage "found argument \`$1\`, which is not known" ;;
    esac
    [[ -n ${2:-} && ${2:-} != --* ]] || fail_usage "found $1 without a value"
    set_option "$1" "$2"
    shift 2
  done
}

set_option() {
  if [[ $1 == --parameter ]]; then
    [[ $2 == [A-Za-z]*=* ]] || fail_usage 'found a --parameter that does not have the form NAME=VALUE'
    [[ ${2,,} != stackapikey=* && ${2,,} != webhooksecret=* ]] ||
      fail "found a secret in --parameter ${2%%=*}, where every process sees it" 'export STACK_API_KEY or WEBHOOK_SECRET instead'
    [[ ${2,,} != *connectionstring* ]] || fail "found a connection string in --parameter ${2%%=*}, where every process sees it" \
      'leave it out: the hub reaches further endpoints by its identity'
    case ${2,,} in
      location=* | namesuffix=* | existingiothub*=* | stack*=* | givenparameters=*)
        fail_usage "found --parameter ${2%%=*}, which the script sets itself or has an option for" ;;
    esac
    [[ ${2,,} != devicepolicyname=* ]] || fail 'found --parameter devicePolicyName, which the script sets itself' \
      'leave it out: the policy is device-connect, and bridge-device-connect on a hub that is there already'
    parameters+=("$2")
  elif [[ $1 == --forget ]]; then
    forgotten+=("$2")
  else
    local name=${1#--}
    printf -v "${name//-/_}" '%s' "$2"
  fi
}

fail_usage() {
  fail "$1" 'infra/deploy.sh --help'
}

deploy() {
  check_arguments
  check_tools
  check_account
  check_region
  check_the_things_stack
  [[ -z $existing_iot_hub ]] || check_existing_hub
  check_group
  check_last_deployment
  [[ -z $existing_iot_hub || $group_exists == true ]] || check_endpoint_name
  check_webhook_owner
  check_webhook_secret
  if [[ -n $what_if ]]; then
    show_what_if
    return
  fi
  build_zip
  create_group
  [[ -z $existing_iot_hub ]] || add_policy_to_hub
  deploy_template
  [[ -z $existing_iot_hub ]] || add_routes_to_hub
  publish_zip
  create_function_key
  set_webhook
  delete_old_function_key
  verify_chain
  step 'Done'
  say "IoT Hub $iot_hub_name carries $uplinks_per_day uplinks a day; webhooks go to $webhook_base_url"
  say "the handler's health is at $health_url, its queues are in storage account $storage_account;"
  say 'infra/OPERATING.md says how to look at both'
}

main() {
  read_arguments "$@"
  "$command"
}

main "$@"
