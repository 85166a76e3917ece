-- Rows of all common types, with the values that break naive copies.
CREATE TABLE public.strings (id int PRIMARY KEY, t text, v varchar(50), c char(10), n name, q "char", x xml);
INSERT INTO public.strings (id, t, v, c) VALUES
    (1, NULL, NULL, NULL), (2, '', '', ''), (3, E'\\N', '\N', '\N'), (4, E'\\.', '\.', '\.'), (5, E'tab\there', E'\t', E'\t'),
    (6, E'new\nline', E'\n', E'\n'), (7, E'carriage\rreturn\r\n', E'\r', E'\r'), (8, E'back\\slash\\', '\\', '\'), (9, E'\b\f\v\x01\x7f', E'\x1f', ' x '),
    (10, 'ação, coração, ÀÉÎÕÜ', 'ç', 'é'), (11, '😀👨‍👩‍👧‍👦🇧🇷', '😀', '🇧🇷'), (12, '漢字 עברית العربية', '漢', '字'), (13, repeat('x', 100000), 'x', 'x'),
    (14, E'''quotes'' "double" $$dollar$$ -- /* */ ;', '''', ''''), (15, E'\u00a0\u200b\ufeff\u2028', E'\ufffd', 'x'), (16, E'e\u0301 vs é', 'x', 'x');
INSERT INTO public.strings (id, n, q) VALUES (20, 'name', 'a'), (21, '', ''), (22, 'ação', E'\\');
CREATE TABLE public.numbers (id int PRIMARY KEY, s smallint, i int, b bigint, n numeric, nn numeric(30,10), r real, d float8, m money, o oid);
INSERT INTO public.numbers VALUES
    (1, -32768, -2147483648, -9223372036854775808, 'NaN', 'NaN', 'NaN', 'NaN', -92233720368547758.08, 0),
    (2, 32767, 2147483647, 9223372036854775807, 1e1000, 12345678901234567890.0123456789, '-Infinity', 'Infinity', 92233720368547758.07, 4294967295),
    (3, 0, 0, 0, 0.000, 0, '-0', '-0', 0, 1), (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (5, 1, 1, 1, 1e-500, 0.1, 0.1, 0.1, 0.1, 2), (6, 1, 1, 1, 123.4500, 1.10, 1e-45, 4.9e-324, 1, 3), (7, 1, 1, 1, -0.0, 1, 3.4028235e38, 1.7976931348623157e308, 1, 3),
    (8, 1, 1, 1, 1, 1, 0.3333333, 0.1::float8 + 0.2::float8, 1, 3);
CREATE TABLE public.times (id int PRIMARY KEY, d date, t time, tz timetz, ts timestamp, tstz timestamptz, i interval, p timestamp(3), pi interval(2));
INSERT INTO public.times VALUES
    (1, 'infinity', '00:00', '00:00+00', 'infinity', 'infinity', '0', '2024-01-01', '1.239 s'), (2, '-infinity', '24:00', '24:00-15:59', '-infinity', '-infinity', '-178000000 years', NULL, NULL),
    (3, '4713-01-01 BC', '23:59:59.999999', '12:34:56.789+05:30', '4713-01-01 00:00:00 BC', '0044-03-15 12:00:00+00 BC', '-1 year +2 mons -3 days +04:05:06.789', NULL, NULL),
    (4, '5874897-12-31', '12:00', '12:00-03', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00', '178000000 years', NULL, NULL),
    (5, '0001-01-01', NULL, NULL, '1900-01-01 00:00:00.000001', '1582-10-15 00:00:00+00', '-00:00:00.000001', NULL, NULL), (6, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (7, '2000-02-29', '01:02:03.1', '01:02:03+14', '2016-12-31 23:59:60', '2018-11-04 00:30:00-03', '-00:00:01', NULL, NULL);
CREATE TABLE public.bytes (id int PRIMARY KEY, b bytea, u uuid, bit1 bit(8), bitv bit varying);
INSERT INTO public.bytes VALUES (1, '', '00000000-0000-0000-0000-000000000000', B'00000000', B''), (2, '\x005c0a0d092e5c4e', 'ffffffff-ffff-ffff-ffff-ffffffffffff', B'10101010', B'1'),
    (3, (SELECT decode(string_agg(lpad(to_hex(i), 2, '0'), ''), 'hex') FROM generate_series(0, 255) i), NULL, NULL, NULL), (4, NULL, NULL, B'11111111', repeat('10', 500)::varbit);
CREATE TABLE public.documents (id int PRIMARY KEY, j json, jb jsonb, jp jsonpath);
INSERT INTO public.documents VALUES (1, '{"a" : 1,  "a": [1,2,{"b":null}], "u": "\u0041\n"}', '{"a": 1, "u": "\u0041\n\"\\", "ação": "😀", "n": 1.10e3}', '$.a[*] ? (@ > 1)'), (2, 'null', 'null', '$'), (3, '[]', '{}', NULL), (4, '""', '"\\N"', NULL), (5, NULL, NULL, NULL),
    (6, '{ }', to_jsonb(repeat('y', 200000)), 'strict $."it''s"');
CREATE TABLE public.arrays (id int PRIMARY KEY, i int[], t text[], tt text[][], b bytea[], j jsonb[], d date[]);
INSERT INTO public.arrays VALUES (1, '{}', '{}', '{}', '{}', '{}', '{}'), (2, '{1,NULL,3}', ARRAY['', NULL, 'NULL', 'a,b', '{x}', E'\\', '"', E'\n', ' '], ARRAY[['a', 'b'], ['c', NULL]], ARRAY['\x00'::bytea, ''], ARRAY['{"a": "b,c"}'::jsonb, NULL], '{infinity,2024-01-01}'),
    (3, '[-2:0]={7,8,9}', '[0:0]={x}', '[1:1][-1:0]={{p,q}}', NULL, NULL, NULL), (4, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE public.geometry (id int PRIMARY KEY, p point, l line, s lseg, b box, pa path, po polygon, c circle);
INSERT INTO public.geometry VALUES (1, '(0.1,-1e300)', '{1,2,3}', '[(0,0),(1,1)]', '(2,2),(0,0)', '[(0,0),(1,1),(2,0)]', '((0,0),(1,1),(2,0))', '<(0,0),1.5>'), (2, NULL, NULL, NULL, NULL, '((0,0))', NULL, NULL), (3, '(NaN,Infinity)', NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE public.network (id int PRIMARY KEY, i inet, c cidr, m macaddr, m8 macaddr8);
INSERT INTO public.network VALUES (1, '192.168.0.1/24', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05'), (2, '::1', '2001:db8::/32', NULL, NULL);
CREATE TABLE public.search (id int PRIMARY KEY, v tsvector, q tsquery);
INSERT INTO public.search VALUES (1, '''it''''s'':1A,5 ação:2B', '''it''''s'' & !(a | b:*A) <-> c'), (2, '', ''), (3, to_tsvector('english', 'The quick brown foxes'), NULL);
CREATE TABLE public.ranges (id int PRIMARY KEY, i int4range, n numrange, t tstzrange, d daterange);
INSERT INTO public.ranges VALUES (1, '[1,5)', '(1.5,2.5]', '["2024-01-01 00:00:00+00",)', '[2024-01-01,2024-02-01)'), (2, 'empty', '(,)', '(,infinity)', 'empty'), (3, NULL, NULL, NULL, NULL);
CREATE TABLE public.system_types (id int PRIMARY KEY, l pg_lsn, x xid, s txid_snapshot, ti tid, r regclass, t regtype, p regprocedure, ro regrole, ns regnamespace, ps pg_snapshot, x8 xid8, ci cid);
INSERT INTO public.system_types VALUES (1, '16/B374D848', '4294967295', '10:20:10,14,15', '(4294967295,65535)', 'public.arrays', 'int4[]', 'lower(text)', 'postgres', 'public', '1:3:2', '18446744073709551615', '7'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE public.alone (t text);
INSERT INTO public.alone VALUES (''), (NULL), (E'\\.'), (E'\\N'), (E'\n'), (' ');
CREATE TABLE public.bools (b bool);
INSERT INTO public.bools VALUES (true), (false), (NULL);
CREATE TABLE public.whole_rows (b public.bools, r public.arrays[]);
INSERT INTO public.whole_rows SELECT ROW(true)::public.bools, ARRAY(SELECT a FROM public.arrays a);
CREATE TABLE public.repeated (a int, b text);
INSERT INTO public.repeated SELECT 1, 'the same row' FROM generate_series(1, 100);
CREATE TABLE public.enough (id bigint PRIMARY KEY, v text, n numeric, t timestamptz);
INSERT INTO public.enough SELECT i, md5(i::text), i / 7.0, '2024-01-01 00:00:00+00'::timestamptz + i * interval '1 minute' FROM generate_series(1, 5000) i;
DELETE FROM public.enough WHERE id % 3 = 0;
--@ 14+
CREATE TABLE public.infinities (n numeric, i int4multirange, t tstzmultirange);
INSERT INTO public.infinities VALUES ('Infinity', '{}', '{}'), ('-Infinity', '{[1,3),[5,)}', '{["2024-01-01 00:00:00+00","2024-01-02 00:00:00+00")}');
--@ 17+
CREATE TABLE public.infinite_intervals (i interval);
INSERT INTO public.infinite_intervals VALUES ('infinity'), ('-infinity');
