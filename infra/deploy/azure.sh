# shellcheck shell=bash
# Resource group, template, zip and key.

deployment=the-things-stack

# What main.bicep is given. Secrets are not among it: the .bicepparam files read them from the environment.
template_arguments() {
  local given
  name_given_parameters
  arguments=(--resource-group "$resource_group" --name "$deployment" --template-file "$infra/main.bicep"
    --parameters "$infra/$profile.bicepparam" --parameters "location=$location" "givenParameters=$given")
  [[ -z $name_suffix ]] || arguments+=("nameSuffix=$name_suffix")
  [[ -z $existing_iot_hub ]] || arguments+=("existingIotHubName=$existing_iot_hub" "existingIotHubResourceGroup=$hub_group"
    "devicePolicyName=$hub_policy")
  [[ $tts_identity_address == "$tts_address" || ${parameters[*]} == *handlerSettings=* ]] ||
    arguments+=("handlerSettings={\"TTS_IDENTITY_SERVER_URL\":\"$tts_identity_address\"}")
  arguments+=("${parameters[@]}")
}

show_what_if() {
  step 'What would change'
  local arguments
  [[ $group_exists == true ]] || fail "found no resource group $resource_group, which what-if needs" \
    "az group create --name $resource_group --location $location$in_subscription (an empty group costs nothing)"
  template_arguments
  azure deployment group what-if "${arguments[@]}" || fail_deployment
  say 'Nothing was changed.'
}

build_zip() {
  [[ -z $zip ]] || return 0
  step 'Zip'
  # Building runs what others wrote.
  (cd "$infra/.." && env -u STACK_API_KEY -u WEBHOOK_SECRET -u STACK_SETUP_API_KEY cargo run --quiet --locked -p local --bin package) || fail 'the zip could not be built' \
    'see above; or download app.zip of a release and give it by --zip'
  zip=$infra/../target/package/app.zip
}

create_group() {
  step "Resource group $resource_group"
  if [[ $group_exists == true ]]; then
    say 'is there already'
    return
  fi
  azure group create --name "$resource_group" --location "$location" --output none || fail \
    "the group cannot be created: $(complaint_line)" "ask for Owner, or Contributor and Role Based Access Control Administrator, on subscription $subscription; or for a group with them"
  say 'created'
}

# The hub checks its endpoint when it is written, and a role takes minutes to be known everywhere: a first deployment
# may have to be repeated. It goes on where it was.
deploy_template() {
  step "Deployment (profile $profile); the first one takes about ten minutes"
  local arguments outputs found tries=$((tries < 4 ? tries : 4))
  template_arguments
  retry 'a role is not known everywhere' try_template || fail_deployment
  read_azure outputs deployment group show --resource-group "$resource_group" --name "$deployment" --output tsv --query \
    'properties.outputs.[functionAppName.value, webhookBaseUrl.value, iotHubName.value, uplinksPerDay.value, hubIdentityId.value, eventHubsHostName.value, eventHubName.value, storageAccountName.value]' ||
    fail "the deployment's outputs cannot be read: $(complaint_line)" 'run this again'
  mapfile -t found <<<"$outputs"
  function_app_name=${found[0]} webhook_base_url=${found[1]} iot_hub_name=${found[2]}
  uplinks_per_day=${found[3]} hub_identity_id=${found[4]} event_hubs_host=${found[5]} event_hub=${found[6]}
  storage_account=${found[7]} health_url=${webhook_base_url%/tts}/health
  say "function app $function_app_name, IoT Hub $iot_hub_name"
}

# Fails for good, not only for now, unless the complaint is about rights that were just given. How the hub words it that
# its role is not known yet is not documented: whatever names its endpoint or routing is tried again.
try_template() {
  azure deployment group create "${arguments[@]}" --output none && return
  case $complaint in
    *QuotaExceeded* | *'maximum number'* | *'Max number'*) fail_deployment ;;
    *[Ee]ndpoint* | *[Rr]outing* | *[Rr]oute*) return 1 ;;
    *AuthorizationFailed*) fail_deployment ;;
    *PrincipalNotFound* | *Unauthorized* | *Forbidden* | *'does not have permission'* | *AnotherOperationInProgress*) return 1 ;;
    *) fail_deployment ;;
  esac
}

fail_deployment() {
  case $complaint in
    *'deleted state'* | *'soft-deleted'* | *VaultAlreadySoftDeleted*) fail_deleted_vault ;;
    *QuotaExceeded* | *'maximum number'* | *'Max number'*)
      fail "found no room in the subscription, e.g. for a second free IoT Hub: $(complaint_line)" \
        'choose --profile s1, or --existing-iot-hub with the hub there is' ;;
    *[Ee]ndpoint* | *[Rr]outing* | *[Rr]oute*) fail_deployment_otherwise ;;
    *AuthorizationFailed* | *'roleAssignments/write'*)
      fail "this login may not do that: $(complaint_line)" \
        "ask for Owner, or Contributor and Role Based Access Control Administrator, on group $resource_group${hub_group:+ and on group $hub_group of the IoT Hub}" ;;
    *AlreadyTaken* | *AlreadyExists* | *'already exists'* | *'already taken'* | *'already in use'* | *'not available'* | *NotAvailable* | *Unavailable*)
      fail "found a name that somebody else has: $(complaint_line)" 'run this again with another --name-suffix' ;;
    *) fail_deployment_otherwise ;;
  esac
}

fail_deployment_otherwise() {
  fail "the deployment failed: $(complaint_line)" "az deployment operation group list --resource-group $resource_group --name $deployment$in_subscription --query \"[?properties.provisioningState=='Failed'].properties.statusMessage\"" \
    'run this again: it goes on where it was'
}

# The complaint does not say which vault it is.
fail_deleted_vault() {
  local what vaults name region vault next="az keyvault list-deleted --resource-type vault$in_subscription, then az keyvault recover --name NAME --location REGION$in_subscription"
  what=$(complaint_line)
  if read_azure vaults keyvault list-deleted --resource-type vault --output tsv --query \
    "[?starts_with(name, 'kv-')].[name, properties.location, properties.vaultId]"; then
    while IFS=$'\t' read -r name region vault; do
      [[ -z $name_suffix || $name == "kv-$name_suffix" ]] || continue
      [[ ${vault,,} != *"/resourcegroups/${resource_group,,}/"* ]] || next="az keyvault recover --name $name --location $region --subscription $subscription"
    done <<<"$vaults"
  fi
  fail "found a deleted key vault that still holds its name: $what" "$next" 'then run this again; or at once with another --name-suffix'
}

publish_zip() {
  step "Zip into $function_app_name"
  retry 'the function app does not take it' azure functionapp deployment source config-zip \
    --resource-group "$resource_group" --name "$function_app_name" --src "$zip" --output none || fail \
    "the zip cannot be published: $(complaint_line)" 'run this again: it goes on where it was'
  say 'published'
}
