%% @private
%% An honest node of a simulation: an exchange, its realm, and a population. Like all of them it is
%% a value.
%%
%% The island executes the exchange's effects on the population itself. It returns to the caller the
%% effects on the network, and the genotypes to evaluate, because evaluations take time.
-module(cambrian_island).

-export([keys/1, start/2, generation/2, rest/2, takes/2, evaluate/3, heard/3, asked/4, answered/4,
         tick/2, wake/1, crash/1, restart/3, answer/1, add/3, best/1, facts/1, unsound/1, trust/1,
         colony/1]).
-export_type([island/0, options/0, effect/0, from/0]).

%% `exchange' are options of {@link cambrian_exchange:new/1}, and the `cost_bound' of a bridge. If
%% `works' is `false', the default, its generations take no time and it rests between two of them:
%% then the cost of strangers is not counted.
-type options() :: #{realm := binary(), secret := cambrian_identity:secret(), address := binary(),
                     exchange := map(), task := cambrian_task:native(), agents := pos_integer(),
                     seed := non_neg_integer(), trust => map(), works => boolean(),
                     atom() => term()}.
-type from() :: map().
-type effect() :: {publish, binary()} | {ask, term(), binary(), binary()}
                | {fetch, term(), binary()} | {send, binary()}
                | {evaluate, cambrian_genotype:genotype(), from()} | {event, atom(), map()}.
%% `lies' are, per origin, the claims that this node measured and that are too high beyond doubt.
%% `compared' are the bytes of other nodes' questions about an archive, and of the answers.
-type facts() :: #{accepted := non_neg_integer(), compared := non_neg_integer(),
                   measured := #{cambrian_identity:key() => pos_integer()}, unsound := [term()],
                   lies := #{cambrian_identity:key() => pos_integer()}}.

-record(island, {options :: options(), colony :: cambrian_colony:colony(),
                 exchange :: cambrian_exchange:exchange(),
                 facts = #{accepted => 0, compared => 0, measured => #{}, unsound => [],
                           lies => #{}} :: facts()}).
-opaque island() :: #island{}.

%% The default of a bridge.
-define(COST_BOUND, 8).
%% Twice the tolerance.
-define(LIE, 0.02).

%% @doc The keys with which the node signs.
-spec keys(options()) -> [cambrian_identity:key()].
keys(#{secret := Secret}) -> [cambrian_identity:public_key(Secret)].

-spec start(options(), Now :: integer()) -> {[effect()], island()}.
start(Options, Now) ->
    #{realm := Realm, seed := Seed} = Options,
    Given = (maps:get(trust, Options, #{}))#{name => Realm},
    Trust = cambrian_realm:new(maps:merge(#{seed => Seed}, Given)),
    {Effects, Exchange} = exchange(Options, Trust, Now),
    Colony = cambrian_colony:new(colony_options(Options)),
    settle(Effects, Now, #island{options = Options, colony = Colony, exchange = Exchange}).

colony_options(Options) -> Options#{stalls => fun cambrian_liar:is_stalling/1}.

exchange(#{realm := Realm, address := Address, seed := Seed, exchange := Given} = Options, Trust,
         Now) ->
    Identity = cambrian_identity:from_secret(maps:get(secret, Options)),
    {Effects, Exchange} =
        cambrian_exchange:new(Given#{realm => Realm, identity => Identity, address => Address,
                                     seed => Seed, now => Now,
                                     trust => {fun cambrian_realm:ask/3, Trust},
                                     once => fun cambrian_memo:once/2}),
    {More, Joined} = cambrian_exchange:join(task(Options), Now, Exchange),
    Worked = #{work => 0, rests => not works(Options), failing => false},
    {_, Working} = cambrian_exchange:worked(task(Options), Worked, Now, Joined),
    {Effects ++ More, Working}.

works(Options) -> maps:get(works, Options, false).

task(#{task := {Name, _}}) -> atom_to_binary(Name);
task(#{task := Name}) -> atom_to_binary(Name).

%% @doc Evaluates the population's next generation.
-spec generation(Now :: integer(), island()) -> {[effect()], island()}.
generation(Now, #island{options = Options, colony = Colony} = Island) ->
    {Events, Next} = cambrian_colony:generation(Now, Colony),
    Work = lists:sum([Done || {worked, #{work := Done}} <- Events]),
    Rests = cambrian_colony:is_resting(Next) orelse not works(Options),
    Worked = #{work => Work, rests => Rests, failing => false},
    {Own, Settled} = account(Worked, Now, Island#island{colony = Next}),
    {Others, Told} = said(Events, Now, Settled),
    {Own ++ Others, Told}.

%% @doc No generation follows, so newcomers may use its time. As in a pause, a generation that
%% began after a restart ends first.
-spec rest(Now :: integer(), island()) -> {[effect()], island()}.
rest(Now, #island{colony = Colony} = Island) ->
    case cambrian_colony:is_evaluated(Colony) of
        true -> account(#{work => 0, rests => true, failing => false}, Now, Island);
        false ->
            {Before, Evaluated} = generation(Now, Island),
            {After, Resting} = rest(Now, Evaluated),
            {Before ++ After, Resting}
    end.

account(Worked, Now, #island{options = Options, exchange = Exchange} = Island) ->
    {Effects, Next} = cambrian_exchange:worked(task(Options), Worked, Now, Exchange),
    settle(Effects, Now, Island#island{exchange = Next}).

%% Handles the events of a population as a bridge does.
said(Events, Now, Island) ->
    lists:foldl(fun(Event, {Before, Said}) ->
                    {Effects, Next} = population_says(Event, Now, Said),
                    {Before ++ Effects, Next}
                end, {[], Island}, Events).

population_says({champion, Champion}, Now, Island) ->
    bred(Champion, Now, Island);
population_says({finished, _}, Now, #island{colony = Colony} = Island) ->
    bred((cambrian_colony:champion(Colony))#{final => true}, Now, Island);
population_says({received, #{from := #{} = From} = Received}, Now, Island) ->
    #island{options = Options, exchange = Exchange} = Counted = count(Received, From, Island),
    Verdict = maps:with([id, fitness, behaviour, outcome, work, cost, median, bound], Received),
    Judged = maps:merge(Verdict, maps:with([account], From)),
    {Effects, Next} = cambrian_exchange:judged(task(Options), Judged, Now, Exchange),
    settle(Effects, Now, Counted#island{exchange = Next});
population_says(_Event, _Now, Island) -> {[], Island}.

bred(Champion, Now, #island{options = Options, exchange = Exchange} = Island) ->
    {Effects, Next} = cambrian_exchange:bred(task(Options), Champion, Now, Exchange),
    settle(Effects, Now, Island#island{exchange = Next}).

%% @doc Evaluates a genotype that the exchange offered.
-spec evaluate({cambrian_genotype:genotype(), from()}, Now :: integer(), island()) ->
          {[effect()], island()}.
evaluate({Genotype, From}, Now, #island{colony = Colony} = Island) ->
    Known = From#{genotype => Genotype},
    {Events, Next} = cambrian_colony:offer(Genotype, Known, bound(Island), Now, Colony),
    said(Events, Now, Island#island{colony = Next}).

bound(#island{options = #{exchange := Exchange}}) -> maps:get(cost_bound, Exchange, ?COST_BOUND).

%% @doc How long the evaluation of a genotype takes, relative to the population's own genotypes.
-spec takes(cambrian_genotype:genotype(), island()) -> number().
takes(Genotype, #island{colony = Colony} = Island) ->
    cambrian_colony:takes(Genotype, bound(Island), Colony).

%% Counts by the measurement of this node, independent of the exchange.
count(#{outcome := busy}, _From, Island) -> Island;
count(#{outcome := Outcome} = Judged, #{genotype := Genotype, origin := Origin} = From, Island) ->
    #island{facts = Facts} = Island,
    #{accepted := Accepted, measured := Measured, unsound := Unsound, lies := Lies} = Facts,
    In = [Genotype || Outcome =:= accepted],
    Found = [maps:remove(genotype, From) || _ <- In, not is_sound(Genotype)],
    Island#island{facts = Facts#{accepted := Accepted + length(In), unsound := Found ++ Unsound,
                                 measured := one_more(Origin, Measured),
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

%% @doc Answers a call. Making the answer takes no time in the simulation.
-spec asked(binary(), From :: binary(), Now :: integer(), island()) ->
          {[effect()], binary() | busy, island()}.
asked(Bytes, From, Now, #island{exchange = Exchange} = Island) ->
    {Effects, Answer, Next} = answer(cambrian_exchange:asked(Bytes, From, Now, Exchange)),
    {Own, Settled} = settle(Effects, Now, Island#island{exchange = Next}),
    {Own, Answer, count_compared(cambrian_message:read_request(Bytes), Bytes, Answer, Settled)}.

count_compared({ok, {compare, _}}, Bytes, Answer, #island{facts = Facts} = Island)
  when is_binary(Answer) ->
    #{compared := Before} = Facts,
    Island#island{facts = Facts#{compared := Before + byte_size(Bytes) + byte_size(Answer)}};
count_compared(_Request, _Bytes, _Answer, Island) -> Island.

%% @doc The reply of an exchange to a call, after any work that it needs.
-spec answer({[cambrian_exchange_state:effect()], cambrian_answers:reply(),
              cambrian_exchange:exchange()}) ->
          {[cambrian_exchange_state:effect()], binary() | busy, cambrian_exchange:exchange()}.
answer({Effects, {answer, Answer}, Exchange}) -> {Effects, Answer, Exchange};
answer({Effects, busy, Exchange}) -> {Effects, busy, Exchange};
answer({Effects, {make, Target, Job}, Exchange}) ->
    Differences = cambrian_delivery:differences(Job),
    {Answer, Next} = cambrian_exchange:made(Target, Job, Differences, Exchange),
    {Effects, Answer, Next}.

-spec answered(term(), {ok, binary()} | {error, term()}, Now :: integer(), island()) ->
          {[effect()], island()}.
answered(Ref, Result, Now, #island{exchange = Exchange} = Island) ->
    {Effects, Next} = cambrian_exchange:answered(Ref, Result, Now, Exchange),
    settle(Effects, Now, Island#island{exchange = Next}).

-spec tick(Now :: integer(), island()) -> {[effect()], island()}.
tick(Now, #island{exchange = Exchange} = Island) ->
    {Effects, Next} = cambrian_exchange:tick(Now, Exchange),
    settle(Effects, Now, Island#island{exchange = Next}).

-spec wake(island()) -> integer() | infinity.
wake(#island{exchange = Exchange}) -> cambrian_exchange:wake(Exchange).

%% Executes the effects on the population, and the effects that follow from them.
settle(Effects, Now, Island) -> settle(Effects, [], Now, Island).

settle([], Done, _Now, Island) ->
    {lists:reverse(Done), Island};
settle([{offer, _Task, Genotype, From} | Effects], Done, Now, Island) ->
    settle(Effects, [{evaluate, Genotype, From} | Done], Now, Island);
settle([{pick, Task, Policy} | Effects], Done, Now, Island) ->
    #island{colony = Colony, exchange = Exchange} = Island,
    case cambrian_colony:pick(Policy, Now, Colony) of
        {ok, Champion, Drawn} ->
            {More, Next} = cambrian_exchange:picked(Task, Champion, Now, Exchange),
            settle(More ++ Effects, Done, Now, Island#island{exchange = Next, colony = Drawn});
        {error, not_evaluated} -> settle(Effects, Done, Now, Island)
    end;
settle([{archive, Task} | Effects], Done, Now, Island) ->
    #island{colony = Colony, exchange = Exchange} = Island,
    Replica = case cambrian_colony:archive(Colony) of
                  {ok, Archive} -> cambrian_common_archive:new(Archive);
                  {error, no_archive} -> none
              end,
    {More, Next} = cambrian_exchange:archived(Task, Replica, Now, Exchange),
    settle(More ++ Effects, Done, Now, Island#island{exchange = Next});
settle([Effect | Effects], Done, Now, Island) ->
    settle(Effects, [Effect | Done], Now, Island).

%% @doc The state that survives a power cut: the identity, the realm, and the last checkpoint. The
%% caller's own notes are kept with them.
-spec crash(island()) -> map().
crash(#island{colony = Colony} = Island) ->
    Champion = case cambrian_colony:saved_champion(Colony) of
                   none -> none;
                   #{champion := Genotype, fitness := Fitness} ->
                       {Fitness, cambrian_genotype:id(Genotype)}
               end,
    #{trust => cambrian_realm:save(trust(Island)), colony => cambrian_colony:save(Colony),
      champion => Champion, facts => Island#island.facts}.

-spec restart(Kept :: map(), options(), Now :: integer()) -> {[effect()], island()}.
restart(#{trust := Trust, colony := Colony, facts := Facts}, Options, Now) ->
    {ok, Realm} = cambrian_realm:restore(Trust),
    {Effects, Exchange} = exchange(Options, Realm, Now),
    Restored = cambrian_colony:restore(Colony, colony_options(Options)),
    {Before, Island} = settle(Effects, Now, #island{options = Options, exchange = Exchange,
                                                    facts = Facts, colony = Restored}),
    {After, Told} = case cambrian_colony:champion(Restored) of
                        none -> {[], Island};
                        Champion -> bred(Champion, Now, Island)
                    end,
    {Before ++ After, Told}.

%% @doc Adds a good genotype by hand. The population's run ends with it, so the exchange publishes
%% it.
-spec add(cambrian_genotype:genotype(), Now :: integer(), island()) -> {[effect()], island()}.
add(Genotype, Now, #island{colony = Colony} = Island) ->
    {Events, Next} = cambrian_colony:inject(Genotype, Now, Colony),
    Final = [case Event of
                 {champion, Champion} -> {champion, Champion#{final => true}};
                 _ -> Event
             end || Event <- Events],
    said(Final, Now, Island#island{colony = Next}).

%% @doc The best genotype that this node measured.
-spec best(island()) -> none | {Fitness :: float(), cambrian_genotype:id()}.
best(#island{options = Options, exchange = Exchange}) ->
    Task = task(Options),
    case cambrian_exchange:best(Exchange) of
        #{Task := #{genotype := Genotype, fitness := Fitness}} ->
            {Fitness, cambrian_genotype:id(Genotype)};
        _ -> none
    end.

-spec facts(island()) -> facts().
facts(#island{facts = Facts}) -> Facts.

%% @doc The genotypes that should not be in the population, or that differ from their description.
-spec unsound(island()) -> [term()].
unsound(#island{options = Options, colony = Colony, exchange = Exchange, facts = Facts}) ->
    #{unsound := Unsound} = Facts,
    Task = task(Options),
    Best = case cambrian_exchange:best(Exchange) of
               #{Task := #{genotype := Genotype, fitness := Fitness}} ->
                   cambrian_colony:fitness(Genotype, Colony) =:= {ok, Fitness};
               _ -> true
           end,
    [population || not cambrian_colony:is_sound(Colony)] ++ [best || not Best] ++ Unsound.

%% @doc The realm of this node, with its view of the other nodes.
-spec trust(island()) -> cambrian_realm:realm().
trust(#island{exchange = Exchange}) -> cambrian_exchange:trust(Exchange).

-spec colony(island()) -> cambrian_colony:colony().
colony(#island{colony = Colony}) -> Colony.
