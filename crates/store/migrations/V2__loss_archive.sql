-- Openings at whose start all that a loss of power may have taken was written down as lost. Without the row of its opening a
-- loss is counted again at the next start. No money: not in the chain.
CREATE TABLE loss (
    epoch INTEGER PRIMARY KEY
) STRICT;

-- Files in the folder archive that have rows of usage which were moved out of here. Each is a database with a table like
-- usage. No money: what belongs to a block is in the chain, wherever its rows are.
CREATE TABLE archive (
    file TEXT PRIMARY KEY
) STRICT;
