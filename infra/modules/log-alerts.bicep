// Alerts on log lines. Counts of single queues exist as hourly metrics of the whole account only,
// so alerts about them read the handler's and the host's log lines. Those are not sampled, see host.json.
//
// AppTraces holds the handler's stdout, one JSON line each, in Message, under Properties.Category Host.Function.Console.
// AppRequests holds one record for each invocation: its Success is the function's, whatever the HTTP answer was.

@description('Where log alerts are created: the workspace\'s region.')
param location string

@description('Last part of their names.')
@minLength(3)
@maxLength(20)
param nameSuffix string

@description('Resource ids of the action groups that hear of alerts.')
param actionGroupIds array

@description('Resource id of the workspace.')
param workspaceId string

@description('Tags of every resource.')
param tags object

// The handler says `dead_lettered` in each line about items it dead-letters; the host warns when it moves an item to
// parked-poison.
var deadLettersQuery = '''
AppTraces
| extend line = parse_json(Message)
| extend letters = coalesce(tolong(line.dead_lettered), iff(Message has "Moving message to queue", 1, 0))
| where letters > 0
| project TimeGenerated, letters = letters * ItemCount
'''

// The handler says `first_seen` in each line about a parked item that it could not deliver again. What waits for one device
// to join or to get room in its queue (`not_yet`) is as it should be.
var parkedAgeQuery = '''
AppTraces
| where tostring(Properties.Category) == "Host.Function.Console"
| extend line = parse_json(Message)
| where todatetime(line.first_seen) < TimeGenerated - 1h and tostring(line.level) == "WARN" and tostring(line.kind) != "not_yet"
| project TimeGenerated, items = 1
'''

var refusedUplinksQuery = '''
AppRequests
| where Name == "uplink" and toint(ResultCode) >= 400
| project TimeGenerated, messages = ItemCount
'''

// Failures are the retry policy at work: in an outage each batch fails five times, and is parked then. The handler says
// `stuck` of one that comes again after that, which is once a minute, or that it cannot read at all.
var stuckHubEventsQuery = '''
AppTraces
| where tostring(Properties.Category) == "Host.Function.Console"
| extend line = parse_json(Message)
| where tobool(line.stuck)
| project TimeGenerated, tries = 1
'''

var logAlerts = [
  {
    name: 'dead-letters'
    description: 'Messages or events were refused for good, or given up after 25 hours. See: handler dead-letters list.'
    severity: 1
    query: deadLettersQuery
    column: 'letters'
    threshold: 0
  }
  {
    name: 'parked-for-long'
    description: 'Something has been waiting in the queue parked for more than an hour. See the workbook for its reason.'
    severity: 2
    query: parkedAgeQuery
    column: 'items'
    threshold: 0
  }
  {
    name: 'uplinks-refused'
    description: 'The webhook was answered with an error: those messages are not kept. 4xx: the sender, 5xx: settings or queues.'
    severity: 1
    query: refusedUplinksQuery
    column: 'messages'
    threshold: 0
  }
  {
    name: 'hub-events-stuck'
    description: 'A batch of hub events keeps coming back though it was to be parked: the queue parked cannot be written, or the handler does not fit its host. What is behind it in its partition waits.'
    severity: 1
    query: stuckHubEventsQuery
    column: 'tries'
    threshold: 2
  }
]

resource logRules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for alert in logAlerts: {
  name: '${alert.name}-${nameSuffix}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: alert.name
    description: alert.description
    severity: alert.severity
    enabled: true
    evaluationFrequency: 'PT15M'
    windowSize: 'PT15M'
    scopes: [
      workspaceId
    ]
    criteria: {
      allOf: [
        {
          query: alert.query
          timeAggregation: 'Total'
          metricMeasureColumn: alert.column
          operator: 'GreaterThan'
          threshold: alert.threshold
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    // A new workspace does not know its tables before the first record.
    skipQueryValidation: true
    actions: {
      actionGroups: actionGroupIds
    }
  }
}]
