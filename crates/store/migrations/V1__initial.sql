-- Resources. Rows are never removed: `deleted` marks what is gone, so that a number always means the same name and a
-- name created again is the same account. `form` is the declarative form as JSON, without what is inside it.

CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sealed (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE upstream (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    form TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1))
) STRICT;

CREATE TABLE model (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    form TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1))
) STRICT;

-- Prices are only ever added. A version that was announced but withdrawn before it came into force stays, marked.
CREATE TABLE price (
    model INTEGER NOT NULL REFERENCES model (number),
    version INTEGER NOT NULL CHECK (version > 0),
    effective_from INTEGER NOT NULL,
    rates TEXT NOT NULL,
    withdrawn INTEGER NOT NULL DEFAULT 0 CHECK (withdrawn IN (0, 1)),
    PRIMARY KEY (model, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE tenant (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    form TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1))
) STRICT;

CREATE TABLE project (
    number INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL REFERENCES tenant (number),
    parent INTEGER REFERENCES project (number),
    path TEXT NOT NULL,
    form TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1)),
    UNIQUE (tenant, path)
) STRICT;

-- The secret exists only as a keyed hash; a deleted key has none.
CREATE TABLE key (
    number INTEGER PRIMARY KEY,
    project INTEGER NOT NULL REFERENCES project (number),
    name TEXT NOT NULL,
    hash BLOB UNIQUE CHECK (length(hash) = 32),
    form TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1)),
    UNIQUE (project, name)
) STRICT;

-- What changed last: one row for each thing that ever changed, moved to the end with each change.
CREATE TABLE change (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    kind INTEGER NOT NULL,
    number INTEGER NOT NULL,
    UNIQUE (kind, number)
) STRICT;

-- Usage. Names that repeat are numbers into this dictionary.

CREATE TABLE name (
    number INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

-- One row an attempt, newest last, so that writing is appending. `attempt` is epoch * 2^40 + sequence. Amounts are
-- nano-USD, times microseconds since the epoch.
CREATE TABLE usage (
    attempt INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL,
    at INTEGER NOT NULL,
    project INTEGER NOT NULL,
    key INTEGER NOT NULL,
    model INTEGER NOT NULL,
    upstream INTEGER NOT NULL,
    -- endpoint * 8 + ending * 2 + stream
    shape INTEGER NOT NULL,
    status INTEGER NOT NULL,
    price_version INTEGER NOT NULL,
    input INTEGER NOT NULL,
    cached_input INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    audio_input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    reasoning INTEGER NOT NULL,
    audio_output INTEGER NOT NULL,
    accepted_prediction INTEGER NOT NULL,
    rejected_prediction INTEGER NOT NULL,
    web_searches INTEGER NOT NULL,
    reported_cost INTEGER,
    held INTEGER NOT NULL,
    held_tokens INTEGER NOT NULL,
    charged INTEGER NOT NULL,
    variance INTEGER NOT NULL,
    first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    upstream_response_id TEXT,
    end_user TEXT
) STRICT;

-- Each entry is a tenant and an attempt, in that order.
CREATE INDEX usage_by_tenant ON usage (tenant);

-- Sums per quarter of an hour (every offset of a time zone is a multiple of that), so that calendar periods of any zone
-- are exact sums of rows. `bucket` is microseconds since the epoch divided by 900,000,000.
CREATE TABLE rollup (
    tenant INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    project INTEGER NOT NULL,
    key INTEGER NOT NULL,
    model INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    input INTEGER NOT NULL,
    cached_input INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    audio_input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    reasoning INTEGER NOT NULL,
    audio_output INTEGER NOT NULL,
    web_searches INTEGER NOT NULL,
    charged INTEGER NOT NULL,
    variance INTEGER NOT NULL,
    unresolved INTEGER NOT NULL,
    unresolved_tokens INTEGER NOT NULL,
    PRIMARY KEY (tenant, bucket, project, key, model)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollup_end_user (
    tenant INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    end_user TEXT NOT NULL,
    calls INTEGER NOT NULL,
    input INTEGER NOT NULL,
    cached_input INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    audio_input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    reasoning INTEGER NOT NULL,
    audio_output INTEGER NOT NULL,
    web_searches INTEGER NOT NULL,
    charged INTEGER NOT NULL,
    variance INTEGER NOT NULL,
    unresolved INTEGER NOT NULL,
    unresolved_tokens INTEGER NOT NULL,
    PRIMARY KEY (tenant, bucket, end_user)
) STRICT, WITHOUT ROWID;
