-- Which offsets of a range are in a table already. Asked only about a batch found planned after a restart.

-- name: present_requests
SELECT raw_offset AS offset
FROM deliveries
WHERE received_at BETWEEN fromUnixTimestamp64Micro({from_us:Int64}) AND fromUnixTimestamp64Micro({until_us:Int64})
    AND raw_topic = {topic:String} AND raw_incarnation = {incarnation:String} AND raw_partition = {partition:UInt32}
    AND raw_offset BETWEEN {first_offset:UInt64} AND {last_offset:UInt64};

-- name: present_outcomes
SELECT arrayJoin([
    if(processed_incarnation = {incarnation:String} AND processed_partition = {partition:UInt32}, processed_offset, NULL),
    if(handled_incarnation = {incarnation:String} AND handled_partition = {partition:UInt32}, handled_offset, NULL)
]) AS offset
FROM deliveries
WHERE received_at BETWEEN fromUnixTimestamp64Micro({from_us:Int64}) AND fromUnixTimestamp64Micro({until_us:Int64})
    AND offset BETWEEN {first_offset:UInt64} AND {last_offset:UInt64};

-- name: present_rejections
SELECT raw_offset AS offset
FROM rejections
WHERE rejected_at BETWEEN fromUnixTimestamp64Micro({from_us:Int64}) AND fromUnixTimestamp64Micro({until_us:Int64})
    AND raw_incarnation = {incarnation:String} AND raw_partition = {partition:UInt32}
    AND raw_offset BETWEEN {first_offset:UInt64} AND {last_offset:UInt64};

-- name: present_attestations
SELECT record_offset AS offset
FROM attestations
WHERE attested_at BETWEEN fromUnixTimestamp64Micro({from_us:Int64}) AND fromUnixTimestamp64Micro({until_us:Int64})
    AND record_incarnation = {incarnation:String} AND record_partition = {partition:UInt32}
    AND record_offset BETWEEN {first_offset:UInt64} AND {last_offset:UInt64};

-- name: present_undecodable
SELECT offset
FROM undecodable_records
WHERE topic = {topic:String} AND incarnation = {incarnation:String} AND partition = {partition:UInt32}
    AND offset BETWEEN {first_offset:UInt64} AND {last_offset:UInt64};
