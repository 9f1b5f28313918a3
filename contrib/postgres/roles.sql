-- The roles and the database of Greyglass in PostgreSQL, each of which may only
-- what it needs. Run it once, as a superuser:
--
--	psql --file roles.sql
--	psql --command '\password greyglass_owner' --command '\password greyglass'
--
-- greyglass_owner owns the schema, for 'greyglass migrate'; greyglass is the
-- daemons' and the commands' role, which may read and change rows, and no more.

CREATE ROLE greyglass_owner LOGIN;
CREATE ROLE greyglass LOGIN CONNECTION LIMIT 100; -- 8 for each of ten daemons, and some for commands

CREATE DATABASE greyglass OWNER greyglass_owner ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE greyglass FROM PUBLIC;
GRANT CONNECT ON DATABASE greyglass TO greyglass;

\connect greyglass

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CREATE, USAGE ON SCHEMA public TO greyglass_owner;
GRANT USAGE ON SCHEMA public TO greyglass;

-- Of what 'greyglass migrate' creates, now and in later versions.
ALTER DEFAULT PRIVILEGES FOR ROLE greyglass_owner IN SCHEMA public
	GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO greyglass;
