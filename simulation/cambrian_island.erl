%% @private
%% One honest node of a simulation: an exchange, what it knows of the others, and a population. A value, as all of them.
%%
%% What the exchange wants of the population it gets here; what it wants of the network is handed to the caller, and so is
%% what is to be evaluated, which takes time.
-module(cambrian_island).

-export([keys/1, start/2, generation/2, rest/2, takes/2, evaluate/3, heard/3, asked/4, answered/4, tick/2, wake/1, crash/1, restart/3,
         answer/1, add/3, best/1, facts/1, unsound/1, trust/1, colony/1]).
-export_type([island/0, options/0, effect/0, from/0]).

%% `exchange' are options of {@link cambrian_exchange:new/1}, and the `cost_bound' of a bridge. Where `works' is `false', the
%% default, its generations take no time, and it rests between two of them: nothing that strangers cost is counted.
-type options() :: #{realm := binary(), secret := cambrian_identity:secret(), address := binary(), exchange := map(),
                     task := cambrian_task:native(), agents := pos_integer(), seed := non_neg_integer(), trust => map(),
                     works => boolean(), atom() => term()}.
-type from() :: map().
-type effect() :: {publish, binary()} | {ask, term(), binary(), binary()} | {fetch, term(), binary()} | {send, binary()}
                | {evaluate, cambrian_genotype:genotype(), from()} | {event, atom(), map()}.
%% `lies' are the claims of each origin that were measured here and were more than they should be, beyond doubt.
-type facts() :: #{accepted := non_neg_integer(), measured := #{cambrian_identity:key() => pos_integer()}, unsound := [term()],
                   lies := #{cambrian_identity:key() => pos_integer()}}.

-record(island, {options :: options(), colony :: cambrian_colony:colony(), exchange :: cambrian_exchange:exchange(),
                 facts = #{accepted => 0, measured => #{}, unsound => [], lies => #{}} :: facts()}).
-opaque island() :: #island{}.

%% As a bridge's, by default.
-define(COST_BOUND, 8).
%% The deadline of an evaluation, in evaluations.
-define(STALLED, 5).
%% Twice what is forgiven.
-define(LIE, 0.02).

%% @doc Those that it signs with.
-spec keys(options()) -> [cambrian_identity:key()].
keys(#{secret := Secret}) -> [cambrian_identity:public_key(Secret)].

-spec start(options(), Now :: integer()) -> {[effect()], island()}.
start(Options, Now) ->
    #{realm := Realm, seed := Seed} = Options,
    Trust = cambrian_realm:new(maps:merge(#{seed => Seed}, (maps:get(trust, Options, #{}))#{name => Realm})),
    {Effects, Exchange} = exchange(Options, Trust, Now),
    settle(Effects, Now, #island{options = Options, colony = cambrian_colony:new(Options), exchange = Exchange}).

exchange(#{realm := Realm, secret := Secret, address := Address, seed := Seed, exchange := Given} = Options, Trust, Now) ->
    {Effects, Exchange} = cambrian_exchange:new(Given#{realm => Realm, identity => cambrian_identity:from_secret(Secret),
                                                       address => Address, seed => Seed, now => Now,
                                                       trust => {fun cambrian_realm:ask/3, Trust},
                                                       once => fun cambrian_memo:once/2}),
    {More, Joined} = cambrian_exchange:join(task(Options), Now, Exchange),
    {_, Working} = cambrian_exchange:worked(task(Options), #{work => 0, rests => not works(Options), failing => false}, Now, Joined),
    {Effects ++ More, Working}.

works(Options) -> maps:get(works, Options, false).

task(#{task := {Name, _}}) -> atom_to_binary(Name);
task(#{task := Name}) -> atom_to_binary(Name).

%% @doc The population's next generation.
-spec generation(Now :: integer(), island()) -> {[effect()], island()}.
generation(Now, #island{options = Options, colony = Colony, exchange = Exchange} = Island) ->
    {Change, Next} = cambrian_colony:generation(Colony),
    Work = case cambrian_colony:is_resting(Colony) of true -> 0; false -> cambrian_colony:work(Next) end,
    Rests = cambrian_colony:is_resting(Next) orelse not works(Options),
    {Effects, Accounted} = cambrian_exchange:worked(task(Options), #{work => Work, rests => Rests, failing => false}, Now, Exchange),
    {Own, Settled} = settle(Effects, Now, Island#island{colony = Next, exchange = Accounted}),
    {Others, Told} = told(Change, Now, Settled),
    {Own ++ Others, Told}.

%% @doc There is no next one: its time is anybody's.
-spec rest(Now :: integer(), island()) -> {[effect()], island()}.
rest(Now, #island{options = Options, exchange = Exchange} = Island) ->
    {Effects, Next} = cambrian_exchange:worked(task(Options), #{work => 0, rests => true, failing => false}, Now, Exchange),
    settle(Effects, Now, Island#island{exchange = Next}).

told(Change, Now, Island) -> told(Change, #{}, Now, Island).

told(same, _More, _Now, Island) -> {[], Island};
told(improved, More, Now, #island{options = Options, colony = Colony, exchange = Exchange} = Island) ->
    Champion = maps:merge(cambrian_colony:champion(Colony), More),
    {Effects, Next} = cambrian_exchange:bred(task(Options), Champion, Now, Exchange),
    settle(Effects, Now, Island#island{exchange = Next}).

%% @doc A genotype that the exchange offered.
-spec evaluate({cambrian_genotype:genotype(), from()}, Now :: integer(), island()) -> {[effect()], island()}.
evaluate({Genotype, From}, Now, #island{options = Options, exchange = Exchange} = Island) ->
    {Outcome, Change, Next} = admit(Genotype, Island),
    Counted = count(Outcome, Genotype, From, Island#island{colony = Next}),
    {Effects, Judged} = cambrian_exchange:judged(task(Options), Outcome, Now, Exchange),
    {Own, Settled} = settle(Effects, Now, Counted#island{exchange = Judged}),
    {Others, Told} = told(Change, Now, Settled),
    {Own ++ Others, Told}.

%% One whose evaluation does not end has none, by its deadline.
admit(Genotype, #island{colony = Colony} = Island) ->
    case cambrian_liar:is_stalling(Genotype) of
        true -> cambrian_colony:stall(Genotype, ?STALLED, Colony);
        false -> cambrian_colony:admit(Genotype, bound(Island), Colony)
    end.

bound(#island{options = #{exchange := Exchange}}) -> maps:get(cost_bound, Exchange, ?COST_BOUND).

%% @doc How long its evaluation takes here, in evaluations of the population's own.
-spec takes(cambrian_genotype:genotype(), island()) -> number().
takes(Genotype, #island{colony = Colony} = Island) ->
    case cambrian_liar:is_stalling(Genotype) of
        true -> ?STALLED;
        false -> cambrian_colony:takes(Genotype, bound(Island), Colony)
    end.

%% By what was measured here, whatever the exchange makes of it.
count(#{outcome := Outcome} = Judged, Genotype, From, #island{facts = Facts} = Island) ->
    #{accepted := Accepted, measured := Measured, unsound := Unsound, lies := Lies} = Facts,
    Found = case Outcome =:= accepted andalso not is_sound(Genotype) of true -> [From | Unsound]; false -> Unsound end,
    Island#island{facts = Facts#{accepted := Accepted + case Outcome of accepted -> 1; _ -> 0 end,
                                 measured := one_more(maps:get(origin, From), Measured), unsound := Found,
                                 lies := lie(Judged, From, Lies)}}.

one_more(Key, Counts) -> maps:update_with(Key, fun(N) -> N + 1 end, 1, Counts).

lie(#{fitness := Fitness}, #{claimed := Claimed, origin := Origin}, Lies) ->
    case Claimed - Fitness > ?LIE * max(abs(Claimed), abs(Fitness)) of
        true -> one_more(Origin, Lies);
        false -> Lies
    end;
lie(_, _, Lies) -> Lies.

is_sound(Genotype) ->
    case cambrian_genotype:from_binary(cambrian_genotype:to_binary(Genotype)) of
        {ok, Copy} -> cambrian_genotype:id(Copy) =:= cambrian_genotype:id(Genotype);
        _ -> false
    end.

-spec heard(binary(), Now :: integer(), island()) -> {[effect()], island()}.
heard(Bytes, Now, #island{exchange = Exchange} = Island) ->
    {Effects, Next} = cambrian_exchange:heard(Bytes, Now, Exchange),
    settle(Effects, Now, Island#island{exchange = Next}).

%% @doc What is to be made for an answer takes no time here.
-spec asked(binary(), From :: binary(), Now :: integer(), island()) -> {[effect()], binary() | busy, island()}.
asked(Bytes, From, Now, #island{exchange = Exchange} = Island) ->
    {Effects, Answer, Next} = answer(cambrian_exchange:asked(Bytes, From, Now, Exchange)),
    {Own, Settled} = settle(Effects, Now, Island#island{exchange = Next}),
    {Own, Answer, Settled}.

%% @doc What an exchange replies to a call, with the work that there is to it.
-spec answer({[cambrian_exchange:effect()], cambrian_exchange:reply(), cambrian_exchange:exchange()}) ->
          {[cambrian_exchange:effect()], binary() | busy, cambrian_exchange:exchange()}.
answer({Effects, {answer, Answer}, Exchange}) -> {Effects, Answer, Exchange};
answer({Effects, busy, Exchange}) -> {Effects, busy, Exchange};
answer({Effects, {make, Target, Job}, Exchange}) ->
    {Answer, Next} = cambrian_exchange:made(Target, Job, cambrian_delivery:differences(Job), Exchange),
    {Effects, Answer, Next}.

-spec answered(term(), {ok, binary()} | {error, term()}, Now :: integer(), island()) -> {[effect()], island()}.
answered(Ref, Result, Now, #island{exchange = Exchange} = Island) ->
    {Effects, Next} = cambrian_exchange:answered(Ref, Result, Now, Exchange),
    settle(Effects, Now, Island#island{exchange = Next}).

-spec tick(Now :: integer(), island()) -> {[effect()], island()}.
tick(Now, #island{exchange = Exchange} = Island) ->
    {Effects, Next} = cambrian_exchange:tick(Now, Exchange),
    settle(Effects, Now, Island#island{exchange = Next}).

-spec wake(island()) -> integer() | infinity.
wake(#island{exchange = Exchange}) -> cambrian_exchange:wake(Exchange).

%% What is for the population is done here, and what comes of that as well.
settle(Effects, Now, Island) -> settle(Effects, [], Now, Island).

settle([], Done, _Now, Island) ->
    {lists:reverse(Done), Island};
settle([{offer, _Task, Genotype, From} | Effects], Done, Now, Island) ->
    settle(Effects, [{evaluate, Genotype, From} | Done], Now, Island);
settle([{pick, Task, Policy} | Effects], Done, Now, #island{colony = Colony, exchange = Exchange} = Island) ->
    case cambrian_colony:pick(Policy, Colony) of
        {ok, Champion, Drawn} ->
            {More, Next} = cambrian_exchange:picked(Task, Champion, Now, Exchange),
            settle(More ++ Effects, Done, Now, Island#island{exchange = Next, colony = Drawn});
        {error, not_evaluated} -> settle(Effects, Done, Now, Island)
    end;
settle([Effect | Effects], Done, Now, Island) ->
    settle(Effects, [Effect | Done], Now, Island).

%% @doc What stays of a node when its power is cut: who it is, whom it trusts, and the last checkpoint.
%% The caller's own notes are kept with them.
-spec crash(island()) -> map().
crash(#island{colony = Colony} = Island) ->
    Champion = case cambrian_colony:champion(Colony) of
                   none -> none;
                   #{champion := Genotype, fitness := Fitness} -> {Fitness, cambrian_genotype:id(Genotype)}
               end,
    #{trust => cambrian_realm:save(trust(Island)), colony => cambrian_colony:save(Colony), champion => Champion,
      facts => Island#island.facts}.

-spec restart(Kept :: map(), options(), Now :: integer()) -> {[effect()], island()}.
restart(#{trust := Trust, colony := Colony, facts := Facts}, Options, Now) ->
    {ok, Realm} = cambrian_realm:restore(Trust),
    {Effects, Exchange} = exchange(Options, Realm, Now),
    {Before, Island} = settle(Effects, Now, #island{options = Options, exchange = Exchange, facts = Facts,
                                                    colony = cambrian_colony:restore(Colony, Options)}),
    Change = case cambrian_colony:champion(Island#island.colony) of none -> same; _ -> improved end,
    {After, Told} = told(Change, Now, Island),
    {Before ++ After, Told}.

%% @doc Something good is put in here by hand, and is what its population ends with: it is told to all.
-spec add(cambrian_genotype:genotype(), Now :: integer(), island()) -> {[effect()], island()}.
add(Genotype, Now, #island{colony = Colony} = Island) ->
    {_, Change, Next} = cambrian_colony:admit(Genotype, Colony),
    told(Change, #{final => true}, Now, Island#island{colony = Next}).

%% @doc The best that was measured here.
-spec best(island()) -> none | {Fitness :: float(), cambrian_genotype:id()}.
best(#island{options = Options, exchange = Exchange}) ->
    Task = task(Options),
    case cambrian_exchange:best(Exchange) of
        #{Task := #{genotype := Genotype, fitness := Fitness}} -> {Fitness, cambrian_genotype:id(Genotype)};
        _ -> none
    end.

-spec facts(island()) -> facts().
facts(#island{facts = Facts}) -> Facts.

%% @doc What should not be in its population, or is not what it says it is.
-spec unsound(island()) -> [term()].
unsound(#island{options = Options, colony = Colony, exchange = Exchange, facts = #{unsound := Unsound}}) ->
    Task = task(Options),
    Best = case cambrian_exchange:best(Exchange) of
               #{Task := #{genotype := Genotype, fitness := Fitness}} -> cambrian_colony:fitness(Genotype, Colony) =:= {ok, Fitness};
               _ -> true
           end,
    [population || not cambrian_colony:is_sound(Colony)] ++ [best || not Best] ++ Unsound.

%% @doc What this node thinks of the others.
-spec trust(island()) -> cambrian_realm:realm().
trust(#island{exchange = Exchange}) -> cambrian_exchange:trust(Exchange).

-spec colony(island()) -> cambrian_colony:colony().
colony(#island{colony = Colony}) -> Colony.
