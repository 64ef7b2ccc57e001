%% @private
%% A federation of members that decide records, in virtual time and with faults, by a seed: members
%% crash (also between two effects of one event) and restart with and without a disk, pause, are cut
%% off, and are slow; messages are lost, doubled and overtake each other. `run/1' answers how it
%% ended, or the first breach of what must hold:
%%
%% <ul><li>no two different records of one number are ever reported as committed;</li>
%% <li>each record follows from the one before;</li>
%% <li>each member reports each number once, and in order;</li>
%% <li>once the faults are over, records are decided again and reach every member.</li></ul>
-module(cambrian_consensus_world).

-export([run/1, run/2]).
-compile({no_auto_import, [put/3]}).
-export_type([options/0, outcome/0]).

%% `module' is a changed {@link cambrian_consensus}. With `forgetful' a member that has no disk
%% starts again under its old name.
-type options() :: #{module => module(), forgetful => boolean()}.
-type outcome() :: {ok, #{records := pos_integer(), epochs := pos_integer(), faults := [term()],
                          stuck := boolean()}}
                 | {breach, Seed :: integer(), term()}.

%% In virtual ms: faults happen until `CALM', and the world ends at `END'.
-define(CALM, 12_000).
-define(END, 18_000).
-define(BEAT, 50).
-define(SILENCE, 400).

%% `name' changes with each start of a host without a disk. `cut' says that the next event is cut
%% after some of its effects. While a host is paused, its events wait.
-record(host, {name :: binary(), starts = 0 :: non_neg_integer(), has_disk :: boolean(),
               consensus :: undefined | term(), kept = none, last :: integer(),
               timer = none, epoch = none, cut = none :: none | pos_integer(),
               paused = none :: none | [term()], coordinator = auto}).
-record(world, {module, forgetful, seed, random, ether, now = 0, hosts = #{}, first,
                chosen = #{}, epochs = #{}, faults = [], calm_number = none}).

-spec run(Seed :: integer()) -> outcome().
run(Seed) -> run(Seed, #{}).

-spec run(Seed :: integer(), options()) -> outcome().
run(Seed, Options) ->
    try loop(calm(lists:foldl(fun start/2, new(Seed, Options), [a, b, c, d, e])))
    catch throw:{breach, What} -> {breach, Seed, What}
    end.

%% Three to five hosts, of which the first three vote first; each has a disk or none.
new(Seed, Options) ->
    {Kinds, W} = draws([3, 3, 3, 3, 3, 3, 4, 4, 9], #world{
        module = maps:get(module, Options, cambrian_consensus),
        forgetful = maps:get(forgetful, Options, false), seed = Seed,
        random = rand:seed_s(exsss, Seed)}),
    {Disks, [Size, Loss, Twice, Slow]} = lists:split(5, Kinds),
    Hosts = lists:sublist([a, b, c, d, e], Size + 2),
    Made = maps:from_list([{Host, #host{name = name(Host, Disk > 1, 1), has_disk = Disk > 1,
                                        last = 0}}
                           || {Host, Disk} <- lists:zip([a, b, c, d, e], Disks),
                              lists:member(Host, Hosts)]),
    Latency = fun(From, To) ->
                  case lists:member(lists:nth(Slow, [a, b, c, d, e, f, g, h, i]), [From, To]) of
                      true -> {1, 400};
                      false -> {1, 40}
                  end
              end,
    Ether = cambrian_ether:new(#{seed => Seed, loss => (Loss - 1) * 0.07,
                                 duplication => (Twice - 1) * 0.05, latency => Latency}),
    First = cambrian_record:first([Name || Host <- [a, b, c],
                                           #host{name = Name} <- [map_get(Host, Made)]],
                                  <<"first">>),
    faults(W#world{hosts = Made, ether = Ether, first = First, chosen = #{0 => First}}).

name(Host, true, _) -> atom_to_binary(Host);
name(Host, false, Starts) -> iolist_to_binary(io_lib:format("~s/~b", [Host, Starts])).

%%% ---- faults -----------------------------------------------------------------------------

%% Messages of a host to itself: what is to happen to it.
faults(#world{hosts = Hosts} = W) ->
    {[Count], Drawn} = draws([9], W),
    lists:foldl(fun(_, Next) -> fault(maps:keys(Hosts), Next) end, Drawn, lists:seq(1, Count + 3)).

fault(Hosts, W) ->
    {[Kind, Which, At, Length, Cut], Drawn} = draws([8, length(Hosts), ?CALM - 1500, 2500, 6], W),
    Host = lists:nth(Which, Hosts),
    Events = case Kind of
                 1 -> [{At, {cut, Cut}}, {At + Length, start}];
                 2 -> [{At, crash}, {At + Length, start}];
                 3 -> [{At, pause}, {At + Length, resume}];
                 4 -> [{At, {split, [Host]}}, {At + Length, heal}];
                 5 -> [{At, {split, [Host, hd(Hosts -- [Host])]}}, {At + Length, heal}];
                 6 -> [{At, crash}, {At + 1, start}];
                 7 -> [{At, suspect}];
                 8 -> [{At, suspect}, {At, pause}, {At + Length div 20, resume}]
             end,
    lists:foldl(fun({When, What}, #world{ether = Ether} = Next) ->
                    Next#world{ether = cambrian_ether:later({fate, Host}, What, When, Ether)}
                end, Drawn#world{faults = [{At, Host, Kind, Length} | W#world.faults]}, Events).

calm(#world{ether = Ether} = W) ->
    W#world{ether = cambrian_ether:later({fate, all}, calm, ?CALM, Ether)}.

%%% ---- the loop ---------------------------------------------------------------------------

loop(#world{ether = Ether} = W) ->
    case cambrian_ether:next(Ether) of
        {At, From, To, Message, Next} when At =< ?END ->
            loop(happens(From, To, Message, W#world{ether = Next, now = At}));
        _ -> ended(W)
    end.

happens(_, {fate, Host}, What, W) -> fate(What, Host, W);
happens(Host, Host, {timer, Name, At}, W) ->
    case map_get(Host, W#world.hosts) of
        #host{timer = At, name = Name} = H -> event(Host, tick, put(Host, H#host{timer = none}, W));
        _ -> W
    end;
happens(Host, Host, {mine, Name, Event}, #world{hosts = Hosts} = W) ->
    case map_get(Host, Hosts) of
        #host{name = Name} -> event(Host, Event, W);
        _ -> W
    end;
%% A message for an earlier start reaches the present one, as both have the node's address.
happens(_, Host, {Sender, Bytes}, W) ->
    {ok, Message} = cambrian_consensus_message:decode(Bytes),
    event(Host, {message, Sender, Message}, W).

fate(calm, all, #world{hosts = Hosts, ether = Ether, chosen = Chosen} = W) ->
    Healed = W#world{ether = cambrian_ether:heal(Ether),
                     calm_number = lists:max(maps:keys(Chosen))},
    lists:foldl(fun(Host, Next) -> fate(start, Host, fate(resume, Host, no_cut(Host, Next))) end,
                Healed, maps:keys(Hosts));
fate({cut, Effects}, Host, W) -> put(Host, (host(Host, W))#host{cut = Effects}, W);
fate(crash, Host, W) -> crash(Host, W);
fate(start, Host, W) -> start(Host, no_cut(Host, W));
%% The others hear of an end that was none.
fate(suspect, Host, W) -> tell_down(Host, (host(Host, W))#host.name, W);
fate(pause, Host, W) ->
    case host(Host, W) of
        #host{paused = none} = H -> put(Host, H#host{paused = []}, W);
        _ -> W
    end;
fate(resume, Host, W) ->
    case host(Host, W) of
        #host{paused = none} -> W;
        #host{paused = Events} = H ->
            lists:foldl(fun(Event, Next) -> event(Host, Event, Next) end,
                        put(Host, H#host{paused = none}, W), lists:reverse(Events))
    end;
fate({split, Group}, _, #world{ether = Ether} = W) ->
    W#world{ether = cambrian_ether:split([Group], Ether)};
fate(heal, _, #world{ether = Ether} = W) -> W#world{ether = cambrian_ether:heal(Ether)}.

no_cut(Host, W) -> put(Host, (host(Host, W))#host{cut = none}, W).

%% Others hear of a crash half of the time.
crash(Host, W) ->
    case host(Host, W) of
        #host{consensus = undefined} -> W;
        #host{name = Name} = H ->
            Ended = H#host{consensus = undefined, paused = none},
            {[Heard], Drawn} = draws([2], put(Host, Ended, W)),
            Ether = cambrian_ether:crash(Host, Drawn#world.ether),
            Crashed = Drawn#world{ether = Ether},
            case Heard of 1 -> tell_down(Host, Name, Crashed); 2 -> Crashed end
    end.

tell_down(Host, Name, #world{hosts = Hosts} = W) ->
    lists:foldl(fun(Other, Next) -> mine(Other, {down, Name}, 20, Next) end, W,
                maps:keys(Hosts) -- [Host]).

start(Host, #world{hosts = Hosts} = W) ->
    case Hosts of
        #{Host := #host{consensus = undefined} = H} ->
            start(Host, H, W#world{ether = cambrian_ether:restart(Host, W#world.ether)});
        _ -> W
    end.

start(Host, H, #world{module = Module, seed = Seed, now = Now, first = First} = W) ->
    Starts = H#host.starts + 1,
    Name = name(Host, H#host.has_disk orelse W#world.forgetful, Starts),
    Records = [First || H#host.has_disk orelse Starts rem 2 =:= 1],
    Kept = case H#host.has_disk of true -> H#host.kept; false -> none end,
    {Effects, C} = Module:new(#{member => Name, seed => Seed + Starts, now => Now,
                                records => Records, kept => Kept, beat_ms => ?BEAT,
                                silence_ms => ?SILENCE, window => 16,
                                coordinator => coordinator(Host, Seed),
                                members => [Other || #host{name = Other}
                                                         <- maps:values(W#world.hosts)]}),
    #{number := Last} = Module:status(C),
    New = H#host{name = Name, starts = Starts, consensus = C, last = Last, timer = none,
                 epoch = none, paused = none},
    executed(Host, Effects, put(Host, New, W)).

%% Most may coordinate.
coordinator(a, Seed) when Seed rem 5 =:= 0 -> always;
coordinator(b, Seed) when Seed rem 7 =:= 0 -> never;
coordinator(_, _) -> auto.

%%% ---- a member ---------------------------------------------------------------------------

event(Host, Event, #world{module = Module, now = Now} = W) ->
    case host(Host, W) of
        #host{consensus = undefined} -> W;
        #host{paused = Events} = H when is_list(Events) ->
            put(Host, H#host{paused = [Event | Events]}, W);
        #host{consensus = C, cut = Cut} = H ->
            {Effects, Next} = Module:handle(proposal(Event, C, W), Now, C),
            Changed = put(Host, installed(Event, H#host{consensus = Next}, W), W),
            case Cut of
                none -> executed(Host, Effects, Changed);
                _ -> crash(Host, execute_all(Host, lists:sublist(Effects, Cut - 1), Changed))
            end
    end.

%% Records up to a checkpoint are not reported.
installed({install, _}, #host{consensus = C} = H, #world{module = Module}) ->
    #{number := Number} = Module:status(C),
    H#host{last = Number};
installed(_, H, _) -> H.

proposal({propose, Epoch, Unique}, C, #world{module = Module}) ->
    #{number := Number} = Module:status(C),
    {propose, Epoch, Number + 1, term_to_binary(Unique)};
proposal(Event, _, _) -> Event.

executed(Host, Effects, W) ->
    Done = execute_all(Host, Effects, W),
    case host(Host, Done) of
        #host{consensus = undefined} -> Done;
        #host{consensus = C, timer = Timer, name = Name} = H ->
            Module = Done#world.module,
            case Module:wake(C) of
                Timer -> Done;
                Wake ->
                    At = max(Wake, Done#world.now + 1),
                    Ether = cambrian_ether:later(Host, {timer, Name, At}, At, Done#world.ether),
                    put(Host, H#host{timer = At}, Done#world{ether = Ether})
            end
    end.

execute_all(Host, Effects, W) ->
    lists:foldl(fun(Effect, Next) -> execute(Effect, Host, Next) end, W, Effects).

execute({persist, Kept}, Host, W) -> put(Host, (host(Host, W))#host{kept = Kept}, W);
execute({send, To, Message}, Host, #world{ether = Ether, now = Now} = W) ->
    Bytes = cambrian_consensus_message:encode(Message),
    #host{name = Name} = host(Host, W),
    W#world{ether = cambrian_ether:send(Host, host_of(To), {Name, Bytes}, byte_size(Bytes), Now,
                                        Ether)};
execute({coordinator, Epoch}, Host, W) ->
    #host{name = Name} = H = host(Host, W),
    Known = put(Host, H#host{epoch = Epoch}, W),
    case Epoch of
        {_, Name} ->
            propose_soon(Host, Epoch, Known#world{epochs = (W#world.epochs)#{Epoch => []}});
        _ -> Known
    end;
execute({committed, #{number := Number} = Record}, Host, W) ->
    #host{last = Last, epoch = Epoch, name = Name} = H = host(Host, W),
    Number =:= Last + 1 orelse throw({breach, {not_in_order, Name, Last, Number}}),
    Next = put(Host, H#host{last = Number}, chosen(Record, Name, W)),
    case Epoch of
        {_, Name} -> propose_soon(Host, Epoch, Next);
        _ -> Next
    end;
execute({behind, _, From}, Host, W) -> checkpoint(host_of(From), Host, W);
execute({rejected, _, _}, _, W) -> W.

chosen(#{number := Number, hash := Hash} = Record, Name, #world{chosen = Chosen, now = Now} = W) ->
    case Chosen of
        #{Number := #{hash := Hash}} -> ok;
        #{Number := Other} -> throw({breach, {two_records, Now, Name, Number, Other, Record}});
        _ -> ok
    end,
    case Chosen of
        #{Number - 1 := Before} ->
            cambrian_record:follows(Record, Before)
                orelse throw({breach, {does_not_follow, Now, Name, Before, Record}});
        _ -> ok
    end,
    W#world{chosen = Chosen#{Number => Record}}.

%% Of the member that has the records, if it still runs and still has them.
checkpoint(From, Host, #world{module = Module} = W) ->
    #host{last = Last} = host(Host, W),
    case host(From, W) of
        #host{consensus = C} when C =/= undefined ->
            case Module:records(C) of
                [#{number := Number} = Record | _] when Number > Last ->
                    mine(Host, {install, Record}, 1, W);
                _ -> W
            end;
        _ -> W
    end.

propose_soon(Host, Epoch, W) ->
    {[Pace, Think, Unique], Drawn} = draws([2, 400, 1_000_000], W),
    Ms = case Pace of 1 -> Think; 2 -> Think div 20 + 1 end,
    mine(Host, {propose, Epoch, {Host, Unique}}, Ms, Drawn).

mine(Host, Event, Ms, #world{ether = Ether, now = Now} = W) ->
    #host{name = Name} = host(Host, W),
    W#world{ether = cambrian_ether:later(Host, {mine, Name, Event}, Now + Ms, Ether)}.

%%% ---- the end ----------------------------------------------------------------------------

%% If more than half of the voters have lost their memory, nobody can decide the next record. The
%% voters are those of the last record that a member knows: a record that was committed may be known
%% only to members that forgot it.
ended(#world{hosts = Hosts, chosen = Chosen, calm_number = Calm, epochs = Epochs} = W) ->
    Last = lists:max([Number || #host{last = Number} <- maps:values(Hosts)]),
    Voters = case Chosen of #{Last := #{voters := Known}} -> Known; #{} -> [] end,
    Alive = [Name || #host{name = Name} <- maps:values(Hosts), lists:member(Name, Voters)],
    IsStuck = 2 * length(Alive) =< length(Voters),
    Slowest = lists:min([Number || #host{last = Number} <- maps:values(Hosts)]),
    IsStuck orelse Slowest >= Calm + 3 orelse throw({breach, {no_progress, Calm, Slowest, Last}}),
    {ok, #{records => Last, epochs => map_size(Epochs), faults => lists:sort(W#world.faults),
           stuck => IsStuck}}.

%%% ---- small parts ------------------------------------------------------------------------

host(Host, #world{hosts = Hosts}) -> map_get(Host, Hosts).

host_of(Name) -> binary_to_existing_atom(hd(binary:split(Name, <<"/">>))).

put(Host, H, #world{hosts = Hosts} = W) -> W#world{hosts = Hosts#{Host := H}}.

draws(Ranges, W) ->
    lists:mapfoldl(fun(Range, #world{random = Random} = Next) ->
                       {N, After} = rand:uniform_s(Range, Random),
                       {N, Next#world{random = After}}
                   end, W, Ranges).
