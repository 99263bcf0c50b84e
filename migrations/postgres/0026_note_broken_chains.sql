-- A chain of entries that is broken is a difference of the ledger like others.
ALTER TABLE ledger_differences DROP CONSTRAINT ledger_differences_kind_check;
ALTER TABLE ledger_differences ADD CONSTRAINT ledger_differences_kind_check
    CHECK (kind IN ('loss', 'duplicate', 'late_pending', 'exchanged', 'altered', 'broken_chain'));
