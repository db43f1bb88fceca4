//! Mistakes that an implementation of the protocol could make, each of which the checks must find.

/// One mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// The money is free before its end is in the journal.
    FreeBeforeEnd,
    /// The request leaves before its intent is written.
    ForwardBeforeIntent,
    /// The client gets bytes before the intent is on the disk.
    AnswerBeforeDurable,
    /// A lease is used before it is on the disk.
    LeaseBeforeDurable,
    /// Money is granted as far as the limit goes, without leases.
    NoLease,
    /// A lease goes beyond the limit.
    LeaseAboveLimit,
    /// A shorter lease takes the place of a longer one.
    LastLeaseWins,
    /// A restart releases what has no end.
    ReleaseAtRestart,
    /// A restart forgets the holds that the store has.
    DropHoldsAtRestart,
    /// A restart believes the store alone, not the journal's end.
    SkipTail,
    /// A restart forgets what was charged in past runs.
    ForgetPosted,
    /// A restart counts by the clock, though it shows an earlier day than the books.
    RestartByWallClock,
    /// After a loss of power nothing counts as lost.
    NothingLost,
    /// What is lost is not written down, so that the next restart forgets it.
    LostForgotten,
    /// An attempt of unknown cost ends at nothing.
    UnknownIsZero,
    /// What broke off is charged by half.
    CutIsHalf,
    /// A client that hangs up has its hold released.
    HangUpReleases,
    /// A hold whose request left is ended as if it had not.
    VoidForSent,
    /// Batches are applied without the position that they reach.
    NoPosition,
    /// The position is written before the rows, in another transaction.
    PositionFirst,
    /// An attempt that is applied again counts again.
    ApplyCountsTwice,
    /// The store is told what is not on the disk.
    ApplyUnsynced,
    /// An end is written twice.
    SettleTwice,
    /// A charge is taken back twice.
    RefundTwice,
    /// A refund is used before it is on the disk.
    RefundBeforeDurable,
    /// The record charges the tenant what the provider billed above the hold.
    ChargeAboveHold,
    /// An intent carries the time of the clock, not of its grant.
    IntentByWallClock,
    /// An end is charged in the period in which it comes.
    ChargeWhenEnded,
    /// A new day drops the holds of the one before.
    RolloverDropsHolds,
    /// Only the tenant's account is held.
    TenantOnly,
    /// A hold that the key's account refuses stays on the tenant's.
    PartialHoldKept,
    /// A call that waits holds what is there already.
    WaitingHolds,
    /// Whoever ends calls nobody.
    NobodyIsCalled,
    /// A small call goes without a hold.
    TrustedShortcut,
    /// A failed sync is taken for a good one.
    IgnoreSyncError,
    /// A call goes though its intent found no room.
    IgnoreFullDisk,
    /// Holds go on after the journal became unusable.
    HoldAfterPoison,
    /// No room is taken for an end, and one that finds none is let go.
    NoRoomForEnd,
    /// The deadline ends attempts that are under way.
    DeadlineWhileRunning,
    /// After a minute an unknown hold is reclaimed.
    TimedReclaim,
    /// A decision frees the money and is not written down.
    DecisionNotWritten,
    /// A decision frees the money before it is on the disk.
    DecideBeforeDurable,
    /// What was open when power was lost is released as if it had not ended before.
    SurvivorsReleased,
    /// What they release counts as lost, and is not written down.
    SurvivorsNotWritten,
    /// A start that was ended while it wrote down what is lost is taken for one that was not.
    LossHalfWritten,
    /// The numbers of attempts begin again with each process.
    AttemptsNumberedAgain,
    /// A decision may charge more than was held.
    DecideAboveHold,
    /// A batch is made before its intent is on the disk.
    BatchBeforeDurable,
    /// A client is told of a batch before anybody knows to look after it.
    BatchNotedLate,
    /// Nobody looks after a batch any more though its end is not on the disk.
    BatchForgottenEarly,
    /// A batch whose hold is not in the store yet is taken for one that has ended.
    BatchMissedByStore,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Mutant; 51] = [
        Mutant::FreeBeforeEnd,
        Mutant::ForwardBeforeIntent,
        Mutant::AnswerBeforeDurable,
        Mutant::LeaseBeforeDurable,
        Mutant::NoLease,
        Mutant::LeaseAboveLimit,
        Mutant::LastLeaseWins,
        Mutant::ReleaseAtRestart,
        Mutant::DropHoldsAtRestart,
        Mutant::SkipTail,
        Mutant::ForgetPosted,
        Mutant::RestartByWallClock,
        Mutant::NothingLost,
        Mutant::LostForgotten,
        Mutant::UnknownIsZero,
        Mutant::CutIsHalf,
        Mutant::HangUpReleases,
        Mutant::VoidForSent,
        Mutant::NoPosition,
        Mutant::PositionFirst,
        Mutant::ApplyCountsTwice,
        Mutant::ApplyUnsynced,
        Mutant::SettleTwice,
        Mutant::RefundTwice,
        Mutant::RefundBeforeDurable,
        Mutant::ChargeAboveHold,
        Mutant::IntentByWallClock,
        Mutant::ChargeWhenEnded,
        Mutant::RolloverDropsHolds,
        Mutant::TenantOnly,
        Mutant::PartialHoldKept,
        Mutant::WaitingHolds,
        Mutant::NobodyIsCalled,
        Mutant::TrustedShortcut,
        Mutant::IgnoreSyncError,
        Mutant::IgnoreFullDisk,
        Mutant::HoldAfterPoison,
        Mutant::NoRoomForEnd,
        Mutant::DeadlineWhileRunning,
        Mutant::TimedReclaim,
        Mutant::DecisionNotWritten,
        Mutant::DecideBeforeDurable,
        Mutant::SurvivorsReleased,
        Mutant::SurvivorsNotWritten,
        Mutant::LossHalfWritten,
        Mutant::AttemptsNumberedAgain,
        Mutant::DecideAboveHold,
        Mutant::BatchBeforeDurable,
        Mutant::BatchNotedLate,
        Mutant::BatchForgottenEarly,
        Mutant::BatchMissedByStore,
    ];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> String {
        format!("{self:?}")
    }

    /// The mutant of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Mutant> {
        Mutant::ALL.into_iter().find(|mutant| mutant.name() == name)
    }
}
