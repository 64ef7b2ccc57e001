%% @private
%% How the members of a federation decide record after record, as a value: it answers every event
%% with effects, which the holder carries out in order. It has no process and no clock: `Now' comes
%% with each event, in ms of a clock that never goes back. {@link cambrian_log_quorum} holds one for
%% a user, tests hold thousands. `docs/federation.md' explains it beside its model.
%%
%% It is Paxos (Lamport 1998), one instance a record, with a coordinator that keeps its promises
%% from record to record, as in Multi-Paxos and Raft. The voters that record n names decide record
%% n + 1. A voter stands for a new epoch and coordinates it once a majority of the voters has
%% promised to accept nothing of an earlier epoch. A promise brings what its voter has accepted and
%% does not know to be committed; of these, the coordinator proposes the one of the latest epoch
%% again. A record is committed when a majority has accepted it, in one epoch. When a record names
%% other voters, the epoch ends with it, and the coordinator stands for another.
%%
%% Safety rests on memory: a member keeps its name only as long as it remembers what it promised
%% and accepted. A member with a disk executes each `persist' before the sends after it, and starts
%% again with what it kept. A member without one must start under a new name, as one that never
%% promised anything: it learns the records, and votes when a record names its new name. A promise
%% that only one of two starts remembers could elect two coordinators, even if the member first asks
%% a majority what it has missed: an answer that its first start sent may still be under way.
-module(cambrian_consensus).

%% Event                          What happened
%% {propose, Epoch, Number, Body} the holder proposes the record of this number in its epoch
%% {message, From, Message}       a message of another member, see cambrian_consensus_message
%% {install, Record}              the holder has a checkpoint of this committed record
%% {up, Member}, {down, Member}   a member can be reached, or has ended
%% tick                           the time of wake/1 has come
%%
%% Effect                         What is to be done
%% {persist, Kept}                keep this on the disk before any effect after it
%% {send, Member, Message}
%% {committed, Record}            each record once and in order; after `behind', from a later one on
%% {coordinator, Epoch | none}    who coordinates; if this member does, it can propose now
%% {rejected, Number, Reason}     a proposal was refused: not_coordinator, busy, too_large
%%                                or {next, Number}
%% {behind, Number, Member}       the records up to this one are needed from a checkpoint; that
%%                                member has the records after it

-export([new/1, handle/3, wake/1, status/1, records/1]).
-export_type([consensus/0, options/0, event/0, effect/0, kept/0, status/0]).

-type member() :: cambrian_record:member().
-type epoch() :: cambrian_record:epoch().
-type record() :: cambrian_record:record().
-type message() :: cambrian_consensus_message:message().
%% `records' are those that this member knows to be committed, the last first: of a new log the
%% first one, with a checkpoint that of the checkpoint. None of them is reported. `kept' is what the
%% last `persist' gave. `coordinator' says whether this member may coordinate: `always' stands at
%% once where `auto' waits for a random time first. `seats' is how many voters a record names if
%% there are so many members.
-type options() :: #{member := member(), seed := integer(), now := integer(),
                     records => [record()], kept => none | kept(), members => [member()],
                     coordinator => auto | never | always, seats => 1 | 3 | 5 | 7,
                     beat_ms => pos_integer(), silence_ms => pos_integer(),
                     window => pos_integer()}.
-type kept() :: #{promised := epoch(), accepted := cambrian_consensus_message:accepted(),
                  record := none | record()}.
-type event() :: {propose, epoch(), non_neg_integer(), Body :: binary()}
               | {message, member(), message()} | {install, record()}
               | {up | down, member()} | tick.
-type effect() :: {persist, kept()} | {send, member(), message()} | {committed, record()}
                | {coordinator, epoch() | none} | {rejected, non_neg_integer(), Reason :: term()}
                | {behind, non_neg_integer(), member()}.
-type status() :: #{member := member(), coordinator := epoch() | none, number := integer(),
                    voters := [member()], members := #{member() => integer()},
                    following := [member()]}.

%% A coordinator proposes at most one record at a time, and holds who has accepted it.
-type role() :: follower
              | {candidate, epoch(), #{member() => cambrian_consensus_message:accepted()}}
              | {coordinator, epoch(), none | {record(), [member()]}}.

-record(consensus,
        {options :: map(),
         me :: member(),
         now :: integer(),
         random :: rand:state(),
         %% the committed records that are held, the last first
         records = [] :: [record()],
         promised = {0, <<>>} :: epoch(),
         %% what this member accepted after the last committed record
         accepted = none :: cambrian_consensus_message:accepted(),
         role = follower :: role(),
         %% the epoch whose coordinator this member follows, or is, and when it last heard of it
         epoch = none :: epoch() | none,
         heard = 0 :: integer(),
         %% how often it has stood since it last followed a coordinator
         attempts = 0 :: non_neg_integer(),
         %% no later epoch was heard of
         latest = {0, <<>>} :: epoch(),
         %% of each other member: its last committed record, when it was last heard, and in which
         %% epoch
         members = #{} :: #{member() => {integer(), integer() | never, epoch() | none}},
         wake = 0 :: integer(),
         effects = [] :: [effect()]}).
-opaque consensus() :: #consensus{}.

-define(DEFAULTS, #{records => [], kept => none, members => [], coordinator => auto, seats => 3,
                    beat_ms => 200, silence_ms => 1500, window => 64}).
%% A dead voter is replaced after so many times `silence_ms', since each change costs a round trip.
-define(PATIENCE, 3).
%% A silent member is told nothing more after so many times `silence_ms'.
-define(FORGET, 20).
-define(MAX_MEMBERS, 20_000).
-define(MOST_DOUBLINGS, 5).
%% An answer to `want' has no more records, and no more bytes than the largest record.
-define(MAX_RECORDS, 64).

-spec new(options()) -> {[effect()], consensus()}.
new(#{member := Me, seed := Seed, now := Now} = Given) ->
    Options = maps:merge(?DEFAULTS, Given),
    #{records := Records, kept := Kept, members := Members} = Options,
    Known = maps:from_list([{Member, {-1, never, none}} || Member <- Members, Member =/= Me]),
    C = kept(Kept, #consensus{options = maps:without([records, kept, members], Options), me = Me,
                              now = Now, random = rand:seed_s(exsss, {Seed, erlang:phash2(Me), 1}),
                              records = Records, members = Known}),
    done(case voters(C) of
             %% nobody else can stand
             [Me] -> due(C);
             _ -> wait(ask_all(C))
         end).

kept(none, C) -> C;
kept(#{promised := Promised, accepted := Accepted, record := Record}, C) ->
    Last = case number(C) of
               Number when Record =:= none; map_get(number, Record) =< Number -> C;
               _ -> C#consensus{records = [Record]}
           end,
    Last#consensus{promised = Promised, latest = Promised, accepted = still_open(Accepted, Last)}.

%% What was accepted matters until the record of its number is committed.
still_open({_, #{number := Number}} = Accepted, C) ->
    case Number > number(C) of true -> Accepted; false -> none end;
still_open(none, _) -> none.

-spec handle(event(), Now :: integer(), consensus()) -> {[effect()], consensus()}.
handle(Event, Now, C) -> done(on(Event, C#consensus{now = Now})).

done(#consensus{effects = Effects} = C) ->
    {lists:reverse(Effects), C#consensus{effects = []}}.

%% @doc When the next `tick' is due.
-spec wake(consensus()) -> integer().
wake(#consensus{wake = Wake}) -> Wake.

%% @doc The committed records that are held, the last first.
-spec records(consensus()) -> [record()].
records(#consensus{records = Records}) -> Records.

%% @doc `following' are the other members that have acknowledged the epoch, for its coordinator.
-spec status(consensus()) -> status().
status(#consensus{me = Me, epoch = Epoch, members = Members} = C) ->
    #{member => Me, coordinator => Epoch, number => number(C), voters => voters(C),
      members => maps:map(fun(_, {Number, _, _}) -> Number end, Members),
      following => lists:sort([Member || {Member, {_, _, In}} <- maps:to_list(Members),
                                         In =:= Epoch, In =/= none])}.

%%% ---- events -----------------------------------------------------------------------------

on({propose, Epoch, Number, Body}, C) -> proposed(Epoch, Number, Body, C);
on({message, From, Message}, #consensus{me = Me} = C) when From =/= Me ->
    heard(Message, From, met(From, C));
on({message, _, _}, C) -> C;
on({install, #{number := Number} = Record}, C) ->
    case Number > number(C) of
        true ->
            Next = follow_nobody(C#consensus{records = [Record]}),
            wait(Next#consensus{accepted = still_open(C#consensus.accepted, Next)});
        false -> C
    end;
on({up, Member}, #consensus{me = Me} = C) when Member =/= Me -> greet(Member, met(Member, C));
on({up, _}, C) -> C;
on({down, Member}, #consensus{members = Members} = C) ->
    lost(Member, C#consensus{members = maps:remove(Member, Members)});
on(tick, #consensus{now = Now, wake = Wake} = C) when Now < Wake -> C;
on(tick, C) -> due(C).

%% A member is known from its first message on. That it was `heard' is said where its number is.
met(Member, #consensus{members = Members} = C) ->
    case is_map_key(Member, Members) orelse map_size(Members) >= ?MAX_MEMBERS of
        true -> C;
        false -> C#consensus{members = Members#{Member => {-1, never, none}}}
    end.

seen(Member, Number, Epoch, #consensus{members = Members, now = Now} = C)
  when is_map_key(Member, Members) ->
    {Before, _, _} = map_get(Member, Members),
    C#consensus{members = Members#{Member := {max(Before, Number), Now, Epoch}}};
seen(_, _, _, C) -> C.

%% Nobody waits for the silence of a coordinator that has ended. The survivors wait for some random
%% ms, so that seldom two stand at once.
lost(Member, #consensus{epoch = {_, Member}, options = #{beat_ms := Beat}} = C) ->
    wait_for(jitter(Beat, C), follow_nobody(C));
lost(_, C) -> C.

%%% ---- time -------------------------------------------------------------------------------

due(#consensus{role = {coordinator, _, _}} = C) ->
    case hears_majority(C) of
        true -> beat(forget(C));
        false -> wait(follow_nobody(C))
    end;
due(#consensus{role = {candidate, Epoch, Promises}} = C) ->
    stand(Epoch, voters(C) -- maps:keys(Promises), C);
due(#consensus{me = Me, options = #{coordinator := May}} = C) ->
    Alone = follow_nobody(C),
    case May =/= never andalso is_voter(Me, C) of
        true -> stand(Alone);
        false -> wait(ask_all(Alone))
    end.

%% A member that is back makes itself known.
forget(#consensus{members = Members, now = Now, options = #{silence_ms := Silence}} = C) ->
    IsKept = fun(_, {_, At, _}) -> is_integer(At) andalso At + ?FORGET * Silence > Now end,
    C#consensus{members = maps:filter(IsKept, Members)}.

hears_majority(#consensus{me = Me, options = #{silence_ms := Silence}} = C) ->
    is_majority([Voter || Voter <- voters(C), Voter =:= Me orelse is_alive(Voter, Silence, C)], C).

is_alive(Member, Within, #consensus{members = Members, now = Now}) ->
    case Members of
        #{Member := {_, At, _}} when is_integer(At) -> At + Within > Now;
        _ -> false
    end.

%% A follower waits until it has heard nothing for `silence_ms' and some random ms.
wait(#consensus{options = #{silence_ms := Silence}} = C) ->
    Wait = case is_voter(C#consensus.me, C) of true -> Silence; false -> Silence div 2 end,
    wait_for({Wait + element(1, jitter(Silence, C)), element(2, jitter(Silence, C))}, C).

wait_for({Ms, Random}, #consensus{now = Now} = C) ->
    C#consensus{wake = Now + Ms, random = Random}.

jitter(_, #consensus{options = #{coordinator := always}, random = Random}) -> {0, Random};
jitter(Most, #consensus{random = Random}) -> rand:uniform_s(Most, Random).

%% Candidates that refuse each other wait for random times from a range that doubles, so that it
%% soon is longer than a message takes, and one of them is elected before the other stands again.
back_off(#consensus{options = #{beat_ms := Beat}, attempts = Attempts} = C) ->
    Most = Beat bsl min(Attempts, ?MOST_DOUBLINGS),
    wait_for(rand:uniform_s(Most, C#consensus.random), C).

%% To all, as learners want records too, and to voters even if they seem to have ended.
beat(#consensus{role = {coordinator, Epoch, Proposal}, options = #{beat_ms := Beat}} = C) ->
    Told = lists:foldl(fun greet/2, C, others(C)),
    Again = case Proposal of
                none -> Told;
                {Record, By} ->
                    send_all(voters(C) -- By, {accept, Epoch, Record}, Told)
            end,
    Again#consensus{wake = C#consensus.now + Beat}.

greet(Member, #consensus{role = {coordinator, Epoch, _}, records = [Last | _]} = C) ->
    #{number := Number, hash := Hash} = Last,
    send(Member, {coordinator, Epoch, Number, Hash}, C);
greet(_, C) -> C.

others(#consensus{me = Me, members = Members} = C) ->
    lists:usort(maps:keys(Members) ++ voters(C)) -- [Me].

ask_all(C) -> send_all(others(C), {want, number(C)}, C).

%%% ---- a new epoch ------------------------------------------------------------------------

%% The candidate itself promises last, in elected/1: if no majority hears it, it can still follow
%% the coordinator that the others follow.
stand(#consensus{me = Me, promised = Promised, latest = Latest, attempts = Attempts} = C) ->
    {N, _} = max(Promised, Latest),
    Epoch = {N + 1, Me},
    elected(stand(Epoch, voters(C), C#consensus{role = {candidate, Epoch, #{}}, latest = Epoch,
                                                attempts = Attempts + 1})).

stand(Epoch, Voters, #consensus{now = Now, options = #{beat_ms := Beat}} = C) ->
    send_all(Voters, {stand, Epoch, number(C)}, C#consensus{wake = Now + Beat}).

heard({stand, {_, From} = Epoch, Number}, From, #consensus{promised = Promised} = C) ->
    Known = seen(From, Number, none, C),
    Mine = number(C),
    if Number < Mine -> give(Number, From, Known);
       Number > Mine -> send(From, {want, Mine}, Known);
       true ->
           case may_promise(From, Known) of
               true when Epoch >= Promised -> promise(Epoch, Known);
               true -> send(From, {refused, Promised}, Known);
               false -> Known
           end
    end;
heard({promise, Epoch, Number, Accepted}, From,
      #consensus{role = {candidate, Epoch, Promises}} = C) ->
    case Number =:= number(C) andalso is_voter(From, C) andalso is_next(Accepted, C) of
        true ->
            Role = {candidate, Epoch, Promises#{From => Accepted}},
            elected(seen(From, Number, none, C#consensus{role = Role}));
        false -> C
    end;
heard({accept, {_, From} = Epoch, Record}, From, C) -> accept(Epoch, Record, From, C);
heard({accepted, Epoch, Number}, From,
      #consensus{role = {coordinator, Epoch, {#{number := Number} = Record, By}}} = C) ->
    Known = seen(From, Number - 1, Epoch, C),
    case is_voter(From, C) of
        true ->
            Role = {coordinator, Epoch, {Record, lists:usort([From | By])}},
            accepted(Known#consensus{role = Role});
        false -> Known
    end;
heard({coordinator, {_, From} = Epoch, Number, Hash}, From, C) ->
    coordinated(Epoch, Number, Hash, From, seen(From, Number, Epoch, C));
heard({here, Epoch, Number}, From, C) -> want_if_behind(Number, From, seen(From, Number, Epoch, C));
heard({refused, Epoch}, _, C) -> refused(Epoch, C);
heard({want, Number}, From, C) -> wanted(Number, From, seen(From, Number, none, C));
heard({records, Records}, _, C) -> lists:foldl(fun learn/2, C, Records);
heard({behind, Number}, From, C) ->
    case Number > number(C) of
        true -> effect({behind, Number, From}, C);
        false -> C
    end;
heard(_, _, C) -> C.

%% Whoever hears a coordinator keeps to it, so that a member that hears nobody disturbs nobody. The
%% coordinator itself may renew its epoch.
may_promise(From, #consensus{me = Me, epoch = Epoch, heard = Heard, now = Now} = C) ->
    #{silence_ms := Silence} = C#consensus.options,
    Keeps = case {Epoch, C#consensus.role} of
                {_, {coordinator, _, _}} -> true;
                {{_, From}, _} -> false;
                {none, _} -> false;
                _ -> Heard + Silence > Now
            end,
    not Keeps andalso is_voter(Me, C) andalso is_voter(From, C).

promise({_, From} = Epoch, C) ->
    Promised = persist(wait(follow_nobody(C#consensus{promised = Epoch}))),
    send(From, {promise, Epoch, number(C), C#consensus.accepted}, late(Epoch, Promised)).

is_next(none, _) -> true;
is_next({_, Record}, C) -> follows_last(Record, C).

%% Coordinates if the other voters that promised are a majority together with this one.
elected(#consensus{me = Me, role = {candidate, Epoch, Promises}, accepted = Accepted} = C) ->
    case is_majority([Me | maps:keys(Promises)], C) of
        true ->
            Won = persist(C#consensus{promised = Epoch, role = {coordinator, Epoch, none}}),
            begin_epoch(lists:max([none_first(One) || One <- [Accepted | maps:values(Promises)]]),
                        beat(Won));
        false -> C
    end.

none_first(none) -> {{0, <<>>}, none};
none_first(Accepted) -> Accepted.

begin_epoch({_, none}, C) -> ready(C);
begin_epoch({_, Record}, C) -> propose(Record, C).

%% The holder of the coordinator may propose.
ready(#consensus{role = {coordinator, Epoch, none}} = C) -> followed(Epoch, C).

refused(Epoch, #consensus{role = {Role, Mine, _}} = C) when Role =/= follower, Epoch > Mine ->
    back_off(follow_nobody(late(Epoch, C)));
refused(_, C) -> C.

late(Epoch, #consensus{latest = Latest} = C) -> C#consensus{latest = max(Epoch, Latest)}.

%%% ---- a record ---------------------------------------------------------------------------

proposed(Epoch, Number, Body, #consensus{records = Records} = C) ->
    case is_proposable(Epoch, Number, Body, C) of
        true -> propose(cambrian_record:next(Epoch, next_voters(C), Body, hd(Records)), C);
        Reason -> effect({rejected, Number, Reason}, C)
    end.

is_proposable(Epoch, Number, Body, #consensus{role = Role} = C) ->
    Next = number(C) + 1,
    IsSmall = byte_size(Body) =< cambrian_record:max_body(),
    case Role of
        {coordinator, Epoch, none} when Number =:= Next, IsSmall -> true;
        {coordinator, Epoch, none} when IsSmall -> {next, Next};
        {coordinator, Epoch, none} -> too_large;
        {coordinator, Epoch, _} -> busy;
        _ -> not_coordinator
    end.

propose(Record, #consensus{me = Me, role = {coordinator, Epoch, none}} = C) ->
    Mine = persist(C#consensus{accepted = {Epoch, Record},
                               role = {coordinator, Epoch, {Record, [Me]}}}),
    accepted(send_all(voters(C), {accept, Epoch, Record}, Mine)).

accept(Epoch, #{number := Number} = Record, From, #consensus{promised = Promised} = C) ->
    Last = number(C),
    if Epoch < Promised -> send(From, {refused, Promised}, C);
       Number =< Last -> send(From, {here, Epoch, Last}, C);
       Number > Last + 1 -> send(From, {want, Last}, C);
       true ->
           case is_voter(C#consensus.me, C) andalso follows_last(Record, C) of
               true ->
                   Accepted = C#consensus{promised = Epoch, accepted = {Epoch, Record}},
                   Followed = followed(Epoch, persist(Accepted)),
                   send(From, {accepted, Epoch, Number}, Followed);
               false -> C
           end
    end.

accepted(#consensus{role = {coordinator, _, {Record, By}}} = C) ->
    case is_majority(By, C) of
        true -> beat_if_coordinating(commit(Record, C));
        false -> C
    end.

%% Whoever accepted the record commits it now; whoever lacks it asks.
beat_if_coordinating(#consensus{role = {coordinator, _, _}} = C) -> beat(C);
beat_if_coordinating(C) -> C.

commit(#{number := Number} = Record, #consensus{records = Records, role = Role} = C) ->
    #{window := Window} = C#consensus.options,
    Held = lists:sublist([Record | Records], Window),
    Next = effect({committed, Record}, C#consensus{records = Held}),
    Open = Next#consensus{accepted = still_open(C#consensus.accepted, Next)},
    case Role of
        follower -> Open;
        _ when Number =:= 0 -> Open;
        _ -> go_on(voters(C) =:= voters(Open), Role, Open)
    end.

%% An epoch was won from the voters of one record, and lasts as long as these are the voters.
go_on(true, {coordinator, Epoch, _}, C) -> ready(C#consensus{role = {coordinator, Epoch, none}});
go_on(IsSame, Role, #consensus{me = Me} = C) ->
    Follower = C#consensus{role = follower},
    case is_voter(Me, C) of
        true when not IsSame -> stand(told(Role, follow_nobody(Follower)));
        true -> stand(Follower);
        false -> wait(told(Role, follow_nobody(Follower)))
    end.

%% The others learn of the record before they are asked for a promise that only its voters give.
told({coordinator, Epoch, _}, #consensus{role = Role} = C) ->
    Told = lists:foldl(fun greet/2, C#consensus{role = {coordinator, Epoch, none}}, others(C)),
    Told#consensus{role = Role};
told(_, C) -> C.

%% The voters of the next record: those that are alive, then others that are alive and have all
%% records, and those that seem dead only if there is nobody in their place.
next_voters(#consensus{me = Me, members = Members} = C) ->
    #{seats := Seats, silence_ms := Silence} = C#consensus.options,
    Now = voters(C),
    Alive = [Voter || Voter <- Now, Voter =:= Me
                                        orelse is_alive(Voter, ?PATIENCE * Silence, C)],
    New = [Member || {Member, {Number, _, _}} <- lists:sort(maps:to_list(Members)),
                     Number >= number(C) - 1, not lists:member(Member, Now),
                     is_alive(Member, Silence, C)],
    Most = min(Seats, length(Alive ++ New)),
    Count = max(length(Now), Most - 1 + Most rem 2),
    lists:sort(lists:sublist(Alive ++ New ++ (Now -- Alive), Count)).

%%% ---- a follower -------------------------------------------------------------------------

coordinated(Epoch, Number, Hash, From, #consensus{promised = Promised, epoch = Now} = C) ->
    Later = case Now of none -> Promised; _ -> max(Now, Promised) end,
    case Epoch >= Later of
        true ->
            Followed = followed(Epoch, C),
            Committed = commit_accepted(Number, Hash, Followed),
            want_if_behind(Number, From, send(From, {here, Epoch, number(Committed)}, Committed));
        false -> send(From, {refused, Later}, C)
    end.

commit_accepted(Number, Hash, #consensus{accepted = Accepted} = C) ->
    case Accepted of
        {_, #{number := Number, hash := Hash} = Record} -> learn(Record, C);
        _ -> C
    end.

%% Follows the coordinator of this epoch, which may be this member.
followed({_, Me} = Epoch, #consensus{me = Me} = C) -> in_epoch(Epoch, C);
followed(Epoch, C) -> wait(in_epoch(Epoch, C#consensus{role = follower})).

in_epoch(Epoch, #consensus{epoch = Epoch, now = Now} = C) ->
    C#consensus{heard = Now, attempts = 0};
in_epoch(Epoch, #consensus{now = Now} = C) ->
    Following = C#consensus{epoch = Epoch, heard = Now, attempts = 0},
    effect({coordinator, Epoch}, late(Epoch, Following)).

follow_nobody(#consensus{epoch = none} = C) -> C#consensus{role = follower};
follow_nobody(C) -> effect({coordinator, none}, C#consensus{epoch = none, role = follower}).

%%% ---- records that a member lacks --------------------------------------------------------

want_if_behind(Number, From, C) ->
    case Number > number(C) of
        true -> send(From, {want, number(C)}, C);
        false -> C
    end.

%% A member that asks for nothing new may not know the coordinator yet.
wanted(Number, From, C) ->
    case Number < number(C) of
        true -> give(Number, From, C);
        false -> greet(From, C)
    end.

give(Number, From, #consensus{records = Records} = C) ->
    case lists:reverse([Record || #{number := N} = Record <- Records, N > Number]) of
        [#{number := First} | _] = Lacking when First =:= Number + 1 ->
            Given = first(Lacking, ?MAX_RECORDS, cambrian_record:max_body()),
            ask_again(From, send(From, {records, Given}, C));
        _ -> send(From, {behind, number(C)}, C)
    end.

first([Record | Records], Count, Bytes) ->
    [Record | others_within(Records, Count - 1, Bytes - size_of(Record))].

others_within([Record | _] = Records, Count, Bytes) when Count > 0 ->
    case size_of(Record) =< Bytes of
        true -> first(Records, Count, Bytes);
        false -> []
    end;
others_within(_, _, _) -> [].

size_of(#{body := Body}) -> byte_size(Body) + 4096.

%% A voter could not answer before it had the records.
ask_again(From, #consensus{role = Role} = C) ->
    case {Role, is_voter(From, C)} of
        {{candidate, Epoch, _}, true} -> send(From, {stand, Epoch, number(C)}, C);
        {{coordinator, Epoch, {Record, _}}, true} -> send(From, {accept, Epoch, Record}, C);
        _ -> C
    end.

learn(Record, C) ->
    case follows_last(Record, C) of
        true -> commit(Record, C);
        false -> C
    end.

%%% ---- small parts ------------------------------------------------------------------------

number(#consensus{records = [#{number := Number} | _]}) -> Number;
number(#consensus{records = []}) -> -1.

voters(#consensus{records = [#{voters := Voters} | _]}) -> Voters;
voters(#consensus{records = []}) -> [].

follows_last(Record, #consensus{records = [Last | _]}) -> cambrian_record:follows(Record, Last);
follows_last(Record, #consensus{records = []}) -> cambrian_record:follows(Record, none).

is_voter(Member, C) -> lists:member(Member, voters(C)).

is_majority(Members, C) -> 2 * length(Members) > length(voters(C)).

persist(#consensus{promised = Promised, accepted = Accepted, records = Records} = C) ->
    Last = case Records of [Record | _] -> Record; [] -> none end,
    effect({persist, #{promised => Promised, accepted => Accepted, record => Last}}, C).

send_all(Members, Message, #consensus{me = Me} = C) ->
    lists:foldl(fun(Member, Next) -> send(Member, Message, Next) end, C, Members -- [Me]).

send(Member, Message, C) -> effect({send, Member, Message}, C).

effect(Effect, #consensus{effects = Effects} = C) -> C#consensus{effects = [Effect | Effects]}.
