"""The points ledger: double entry by member, in lots that expire. Pure: `values`, `posting`, `operations`, `spending`,
`moving`, `due`, `dates`, `refunds`, `chain`, `invariants`, `soak`; the others write it into PostgreSQL.
"""
