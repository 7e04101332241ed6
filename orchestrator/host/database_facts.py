"""What PostgreSQL keeps of a database beside its content: it is no part of a copy by template."""

from __future__ import annotations

import csv
from typing import Dict, Iterator, List

from .postgresql import Postgresql, identifier, literal

#: Differs between a database and its copy, or is compared apart (what is granted).
OTHER = "{oid,datname,datfrozenxid,datminmxid,datallowconn,datistemplate,datlastsysoid,datacl}"
SHAPE = """
select (to_jsonb(d) - '{other}'::text[])::text,
coalesce(shobj_description(oid, 'pg_database'), ''),
(select count(*) from pg_shseclabel s where s.objoid = d.oid)
from pg_database d where datname = {name}
"""
#: Who may do what; by its default where nothing was granted.
GRANTS = """
select coalesce(r.rolname, ''), a.privilege_type, a.is_grantable, d.datacl is null
from pg_database d
cross join lateral aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
left join pg_roles r on r.oid = a.grantee where d.datname = {name} order by 1, 2, 3
"""
SETTINGS = """
select coalesce(r.rolname, ''), unnest(s.setconfig)
from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase
left join pg_roles r on r.oid = s.setrole where d.datname = {name} order by 1, 2
"""
#: Settings that are lists of names, kept with their quotes (PostgreSQL: GUC_LIST_QUOTE).
LISTS = (
    "local_preload_libraries", "search_path", "session_preload_libraries",
    "shared_preload_libraries", "temp_tablespaces", "unix_socket_directories",
)  # fmt: skip
#: What no copy has, and how it is told.
REFUSED = {
    "tablespaces of its own": (
        "from pg_tablespace t where t.spcname !~ '^pg_' "
        "and d.oid in (select pg_tablespace_databases(t.oid))"
    ),
    "subscriptions": "from pg_subscription where subdbid = d.oid",
    "replication slots": "from pg_replication_slots where database = d.datname",
    "prepared transactions": "from pg_prepared_xacts where database = d.datname",
    "security labels": "from pg_shseclabel where objoid = d.oid",
}


#: Sessions of PostgreSQL's own that a template may not have: a scheduler's, a replica's.
WORKERS = """
select distinct backend_type from pg_stat_activity where datname = {name} and backend_type
not in ('client backend', 'autovacuum worker', 'parallel worker') order by 1
"""
COUNTED = "select {counts} from pg_database d where datname = {name}"
#: PostgreSQL refuses to copy a database whose collation the host's library has changed since.
COLLATION = """
select datcollversion, pg_database_collation_actual_version(oid) from pg_database
where datcollversion <> pg_database_collation_actual_version(oid) and datname = {name}
"""
BESIDE = """
select pg_get_userbyid(datdba), datconnlimit, coalesce(shobj_description(oid, 'pg_database'), '')
from pg_database where datname = {name}
"""


def problems_of(cluster: Postgresql, name: str) -> List[str]:
    """Why this database cannot be copied."""
    counts = ", ".join(f"(select count(*) {of})" for of in REFUSED.values())
    (row,) = cluster.ask(COUNTED.format(counts=counts, name=literal(name)))
    found = [
        f"the database {name} has {what}, which a copy would not have"
        for what, count in zip(REFUSED, row)
        if count != "0"
    ]
    found += [
        f"the database {name} is used by a {row[0]}, and cannot be copied while it is"
        for row in cluster.ask(WORKERS.format(name=literal(name)))
    ]
    ((version,),) = cluster.ask("show server_version_num")
    if int(version) >= 150000:
        for was, now in cluster.ask(COLLATION.format(name=literal(name))):
            found.append(
                f"the database {name} was made with collation version {was}, this host has {now}: "
                "PostgreSQL copies it after reindex database and alter database … refresh "
                "collation version"
            )
    return found


def about(cluster: Postgresql, name: str) -> Dict[str, List[List[str]]]:
    """What is to be the same of a database and of its copy, by what a person calls it."""
    asked = {"properties": SHAPE, "grants": GRANTS, "settings": SETTINGS}
    return {
        what: cluster.ask(of.format(name=literal(name), other=OTHER)) for what, of in asked.items()
    }


def give(cluster: Postgresql, live: str, copy: str) -> None:
    """Give a copy the owner, limit, comment, grants and settings of its database."""
    ((owner, limit, comment),) = cluster.ask(BESIDE.format(name=literal(live)))
    to = f"database {identifier(copy)}"
    statements = [
        f"alter {to} owner to {identifier(owner)}",
        f"alter {to} connection limit {limit}",
    ]
    if comment:
        statements.append(f"comment on {to} is {literal(comment)}")
    statements += _granted(cluster.ask(GRANTS.format(name=literal(live))), to, owner)
    for role, setting in cluster.ask(SETTINGS.format(name=literal(live))):
        name, _, value = setting.partition("=")
        who = f"role {identifier(role)} in {to}" if role else to
        told = _listed(value) if name in LISTS else literal(value)
        # A setting of an extension has a dot in its name.
        setting_name = ".".join(identifier(part) for part in name.split("."))
        statements.append(f"alter {who} set {setting_name} to {told}")
    cluster.change("give", f"begin; {'; '.join(statements)}; commit")


def _listed(value: str) -> str:
    """A list of names as its elements, each a text: an empty one cannot be a name."""
    (elements,) = csv.reader([value], skipinitialspace=True)
    return ", ".join(literal(each.strip()) for each in elements)


def _granted(rows: List[List[str]], to: str, owner: str) -> Iterator[str]:
    """Statements that grant what is granted; none where nothing ever was."""
    if all(is_default == "t" for *_, is_default in rows) and rows:
        return
    yield f"revoke all on {to} from public"
    yield f"revoke all on {to} from {identifier(owner)}"
    for role, privilege, is_grantable, _ in rows:
        who = identifier(role) if role else "public"
        option = " with grant option" if is_grantable == "t" else ""
        yield f"grant {privilege} on {to} to {who}{option}"
