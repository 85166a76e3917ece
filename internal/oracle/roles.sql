-- The roles that the databases name. They belong to the cluster.
CREATE ROLE regress_pgcofre_owner;
CREATE ROLE regress_pgcofre_reader LOGIN;
CREATE ROLE regress_pgcofre_writer LOGIN NOINHERIT CONNECTION LIMIT 5;
CREATE ROLE regress_pgcofre_super SUPERUSER;
CREATE ROLE "regress_pgcofre_odd
""name"" 'r'";
GRANT regress_pgcofre_reader TO regress_pgcofre_writer;
GRANT regress_pgcofre_owner TO regress_pgcofre_writer WITH ADMIN OPTION;
ALTER ROLE regress_pgcofre_reader SET search_path = app, public;
COMMENT ON ROLE regress_pgcofre_owner IS 'owns things';
