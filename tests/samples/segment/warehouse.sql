create table tracks (
  id text, received_at timestamptz, sent_at timestamptz, original_timestamp timestamptz,
  timestamp timestamptz, anonymous_id text, user_id text, event text, event_text text,
  context_group_id text, context_library_name text, uuid_ts timestamptz);
insert into tracks values
 ('ajs-1', '2025-03-01T10:00:02Z', '2025-03-01T10:00:01Z', '2025-03-01T10:00:00Z', '2025-03-01T10:00:00.123Z', 'anon-1', 'kim@ada.example', 'report_exported', 'Report Exported', '0015g00000Ada1AAAB', 'analytics.js', '2025-03-01T11:00:00Z'),
 ('ajs-2', '2025-03-02T23:59:59Z', null, null, '2025-03-02T23:59:58Z', 'anon-2', null, 'project_created', 'Project Created', '0015g00000Bee1AAAB', 'analytics.js', '2025-03-03T00:30:00Z'),
 ('ajs-3', '2025-03-03T10:00:00Z', null, null, '2025-03-03T10:00:00Z', 'anon-3', null, 'project_created', 'Project Created', null, 'analytics.js', '2025-03-03T10:30:00Z');
