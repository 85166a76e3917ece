-- Large objects: empty, small, of many chunks, owned, shared, commented.
SELECT lo_create(1001);
SELECT lo_from_bytea(1002, '\x00ff0a5c');
SELECT lo_from_bytea(1003, convert_to(repeat('large object ', 100000), 'UTF8'));
SELECT lo_from_bytea(1004, 'sparse');
SELECT lo_put(1004, 500000, 'end');
SELECT lo_from_bytea(4000000000::oid, 'a large oid');
SELECT lo_from_bytea(2000 + i, convert_to('object ' || i, 'UTF8')) FROM generate_series(1, 60) AS i;
ALTER LARGE OBJECT 1002 OWNER TO regress_pgcofre_owner;
GRANT SELECT ON LARGE OBJECT 1002 TO regress_pgcofre_reader;
GRANT SELECT, UPDATE ON LARGE OBJECT 1003 TO PUBLIC;
REVOKE ALL ON LARGE OBJECT 1004 FROM postgres;
GRANT UPDATE ON LARGE OBJECT 1004 TO regress_pgcofre_writer WITH GRANT OPTION;
COMMENT ON LARGE OBJECT 1003 IS E'it''s a\nlarge object';
CREATE TABLE public.files (name text, content oid);
INSERT INTO public.files VALUES ('x', 1003);
