# shellcheck shell=bash
# What must be there before anything is changed.

# Before it, publishing to Flex Consumption can hang for ever, and function keys are listed as null.
oldest_az=2.88
# The first version where a module needs no name.
oldest_bicep=0.34.1
providers=(Microsoft.Devices Microsoft.EventHub Microsoft.Insights Microsoft.KeyVault Microsoft.ManagedIdentity
  Microsoft.OperationalInsights Microsoft.Storage Microsoft.Web)

check_arguments() {
  local name
  for name in resource_group location tts_address tts_application; do
    [[ -n ${!name} ]] || fail_usage "found no --${name//_/-}"
  done
  [[ $profile == free || $profile == s1 ]] || fail_usage "found --profile $profile, expected free or s1"
  location=${location// /}
  location=${location,,}
  local id='^[a-z0-9](-?[a-z0-9]){2,35}$'
  [[ $tts_application =~ $id ]] || fail_usage "found --tts-application $tts_application, expected an id such as my-application"
  [[ $webhook_id =~ $id ]] || fail_usage "found --webhook-id $webhook_id, expected an id such as azure-iot-hub"
  [[ -z $simulate || $simulate =~ $id ]] || fail_usage "found --simulate $simulate, expected a device id of The Things Stack"
  [[ -z $zip || -f $zip ]] || fail_usage "found no file $zip"
  check_address tts_address
  tts_identity_address=${tts_identity_address:-$tts_address}
  check_address tts_identity_address
  check_handler_settings
  # The .bicepparam files read them.
  export STACK_CLUSTER_ADDRESS=$tts_address STACK_APPLICATION_ID=$tts_application
  check_secrets
}

# handlerSettings that are given take the place of ours; what the deployment wires takes the place of theirs.
check_handler_settings() {
  local one given name rest pattern='"([A-Za-z0-9_.]+)"[[:space:]]*:(.*)'
  for one in "${parameters[@]}"; do
    [[ ${one,,} == handlersettings=* ]] || continue
    given=${one#*=}
    [[ $given != @* || ! -r ${given#@} ]] || given=$(<"${given#@}")
    [[ $tts_identity_address == "$tts_address" || $given == *'"TTS_IDENTITY_SERVER_URL"'* ]] || fail \
      'found --tts-identity-address together with handlerSettings that lack TTS_IDENTITY_SERVER_URL' \
      "add \"TTS_IDENTITY_SERVER_URL\":\"$tts_identity_address\" to handlerSettings"
    rest=${given//$'\n'/ }
    while [[ $rest =~ $pattern ]]; do
      name=${BASH_REMATCH[1]} rest=${BASH_REMATCH[2]}
      check_handler_setting "$name"
    done
  done
}

check_handler_setting() {
  local tunable use
  tunable=$(sed -n '/^var tunableSettings = {/,/^}/s/^  \([A-Z_]*\):.*/\1/p' "$infra/modules/app-settings.bicep")
  # A function may be switched off.
  [[ $'\n'$tunable$'\n' != *$'\n'"$1"$'\n'* && $1 != AzureWebJobs.*.Disabled ]] || return 0
  case $1 in
    IOT_HUB_DEVICE_ID_TEMPLATE) use='--parameter iotHubDeviceIdTemplate=…' ;;
    TTS_DELIVERY) use='--parameter ttsDelivery=…' ;;
    TTS_BASE_URL) use=--tts-address ;;
    TTS_APPLICATION_ID) use=--tts-application ;;
    TTS_API_KEY) use='STACK_API_KEY in the environment' ;;
    WEBHOOK_SECRETS) use='WEBHOOK_SECRET in the environment' ;;
  esac
  [[ -z ${use:-} ]] || fail "found $1 in handlerSettings, where it has no effect" "use $use"
  fail "found $1 in handlerSettings, which is not a setting that may be given there" "expected one of: ${tunable//$'\n'/ }"
}

# check_address NAME: the variable, brought into the form https://HOST.
check_address() {
  local -n address=$1
  local loopback='^http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?$' https='^https://[A-Za-z0-9.-]+(:[0-9]+)?$'
  address=${address%/}
  address=${address%/api/v3}
  [[ $address =~ $https || $address =~ $loopback ]] || fail_usage \
    "found --${1//_/-} $address, expected https://HOST such as https://eu1.cloud.thethings.network (http on loopback only)"
}

# A secret is named, never shown.
check_secrets() {
  local key='^NNSXS\.[A-Z2-7]{39}\.[A-Z2-7]{52}$' name one
  [[ -n ${STACK_API_KEY:-} ]] || fail 'found no API key of The Things Stack, expected it in STACK_API_KEY' \
    "in the Console: Applications → $tts_application → API keys → Add API key, with the rights README.md lists" \
    "read -rs STACK_API_KEY && export STACK_API_KEY, then run this again"
  for name in STACK_API_KEY STACK_SETUP_API_KEY; do
    [[ -z ${!name:-} || ${!name} =~ $key ]] || fail \
      "found in $name what is no API key, expected NNSXS., 39 characters, a dot, 52 characters" \
      'copy the whole key; the Console shows it only once'
  done
  local secrets=()
  IFS=, read -ra secrets <<<"${WEBHOOK_SECRET:-}"
  for one in "${secrets[@]}"; do
    ((${#one} >= 16)) && [[ ! $one =~ [^[:graph:]] ]] || fail \
      'found a secret in WEBHOOK_SECRET that is too short or has blanks, expected at least 16 visible characters' \
      "export WEBHOOK_SECRET=\$(head -c 24 /dev/urandom | base64 | tr '+/' '-_')"
  done
  export STACK_API_KEY WEBHOOK_SECRET=${WEBHOOK_SECRET:-}
  setup_key=${STACK_SETUP_API_KEY:-$STACK_API_KEY}
  unset STACK_SETUP_API_KEY
}

check_tools() {
  step 'Prerequisites'
  command -v curl >/dev/null || fail 'found no curl' 'install curl'
  [[ -n $zip || -n $what_if ]] || command -v cargo >/dev/null || fail 'found neither --zip nor cargo to build one' \
    'install Rust from https://rustup.rs, or download app.zip of a release and give it by --zip'
  command -v az >/dev/null || fail 'found no az CLI' 'install it: https://learn.microsoft.com/cli/azure/install-azure-cli'
  local version bicep
  version=$(command az version --query '"azure-cli"' --output tsv)
  is_at_least "$oldest_az" "$version" || fail "found az CLI $version, expected $oldest_az or newer" 'az upgrade'
  bicep=$(command az bicep version --only-show-errors 2>/dev/null) || fail 'found no Bicep compiler' 'az bicep install'
  [[ ! $bicep =~ [0-9]+(\.[0-9]+)+ ]] || bicep=${BASH_REMATCH[0]}
  is_at_least "$oldest_bicep" "${bicep:-0}" || fail "found Bicep $bicep, expected $oldest_bicep or newer" 'az bicep upgrade'
  say "az CLI $version, Bicep $bicep"
}

is_at_least() {
  [[ $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]
}

check_account() {
  local account=()
  local found
  if ! read_azure found account show --query '[id, name, user.name]' --output tsv; then
    [[ $complaint == *"az login"* ]] && fail 'found no login of the az CLI' 'az login, then run this again'
    fail "found no subscription $subscription in this login: $(complaint_line)" \
      'az account list --output table shows those there are' 'az login --tenant TENANT, if it belongs to another tenant'
  fi
  mapfile -t account <<<"$found"
  # For the commands that the script prints.
  [[ -z $subscription ]] || in_subscription=" --subscription ${account[0]}"
  subscription=${account[0]}
  say "subscription ${account[1]} ($subscription), as ${account[2]}"
  local registered missing=() provider
  read_azure registered provider list --query "[?registrationState=='Registered'].namespace" --output tsv ||
    fail "az cannot list the subscription's resource providers: $(complaint_line)" 'ask for the role Reader or more'
  for provider in "${providers[@]}"; do
    [[ $'\n'${registered,,}$'\n' == *$'\n'"${provider,,}"$'\n'* ]] || missing+=("$provider")
  done
  ((${#missing[@]} == 0)) || fail "found resource providers that are not registered: ${missing[*]}" \
    "for name in ${missing[*]}; do az provider register --namespace \$name --wait$in_subscription; done"
}

check_region() {
  local regions
  read_azure regions functionapp list-flexconsumption-locations --query '[].name' --output tsv ||
    fail "az cannot list the regions of Flex Consumption: $(complaint_line)" 'az upgrade'
  [[ $'\n'$regions$'\n' == *$'\n'"$location"$'\n'* ]] || fail \
    "found --location $location, which has no Flex Consumption plan" "choose one of: ${regions//$'\n'/ }"
  azure functionapp list-flexconsumption-runtimes --location "$location" --runtime custom --output none || fail \
    "found no runtime \`custom\` for Flex Consumption in $location: $(complaint_line)" \
    "choose another of: ${regions//$'\n'/ }"
  say "region $location has Flex Consumption with custom handlers"
}

# Sets $group_exists.
find_group() {
  read_azure group_exists group exists --name "$resource_group" || fail "az cannot look for the group: $(complaint_line)" 'az login'
}

check_group() {
  find_group
  [[ $group_exists == true && -z $existing_iot_hub ]] || return 0
  check_own_hub
}
