%% Exchanges of several nodes that hear each other without a network, for the tests of exchanges.
%% The test carries out each effect at once, and a table gives the fitness of each genotype.
-module(cambrian_exchanges).
-include("cambrian_exchanges.hrl").
-export([world/1, world/2, add/3, identity/1, key/1, call/4, do_all/3, worth/3, bred/4, later/2,
         best/2, all_best/1, did/2, requests/1, answers/1, steps/3, genotype/2, id/1, lives/3,
         asks/1, alone/1, envelope/5, announcement/5, all_of/2, hears/2, offers/1,
         trust_with_places/1, calls/2, claims_of/3, conversation/3, holding/1, heartbeat_of/2]).

world(Names) -> world(Names, #{}).
world(Names, Options) ->
    lists:foldl(fun(Name, World) -> add(Name, Options, World) end, #world{}, Names).

add(Name, Options, #world{now = Now, nodes = Nodes} = World) ->
    {Effects, X} =
        cambrian_exchange:new(maps:merge(#{realm => ?REALM, identity => identity(Name),
                                           address => Name, seed => erlang:phash2(Name),
                                           now => Now,
                                           trust =>
                                               {fun cambrian_realm:ask/3,
                                                cambrian_realm:new(#{name => ?REALM})}},
                                         Options)),
    {More, Joined} = cambrian_exchange:join(?TASK, Now, X),
    do_all(Name, Effects ++ More, World#world{nodes = Nodes#{Name => Joined}}).

identity(Name) -> cambrian_identity:from_secret(crypto:hash(sha256, Name)).
key(Name) -> maps:get(key, identity(Name)).

%% Calls a function of a node's exchange and carries out all effects that follow.
call(Name, Function, Arguments, #world{now = Now, nodes = Nodes} = World) ->
    {Effects, X} = apply(cambrian_exchange, Function, Arguments ++ [Now, maps:get(Name, Nodes)]),
    do_all(Name, Effects, World#world{nodes = Nodes#{Name := X}}).

do_all(Name, Effects, World) ->
    lists:foldl(fun(Effect, W) -> do(Name, Effect, noted(Name, Effect, W)) end, World, Effects).

noted(Name, Effect, #world{done = Done} = World) -> World#world{done = [{Name, Effect} | Done]}.

do(Name, {publish, Bytes}, #world{nodes = Nodes, cut = Cut} = World) ->
    lists:foldl(fun(Other, W) -> call(Other, heard, [Bytes], W) end, World,
                [Other || Other <- maps:keys(Nodes), Other =/= Name, not Cut(Name, Other)]);
do(Name, {ask, Ref, Address, Bytes}, #world{now = Now, nodes = Nodes, cut = Cut} = World) ->
    case Nodes of
        #{Address := X} ->
            case Cut(Name, Address) of
                true -> call(Name, answered, [Ref, {error, timeout}], World);
                false ->
                    {Effects, Answer, Next} =
                        cambrian_island:answer(cambrian_exchange:asked(Bytes, Name, Now, X)),
                    Gave =
                        do_all(Address, Effects,
                               noted(Address, {answer, Answer},
                                     World#world{nodes = Nodes#{Address := Next}})),
                    call(Name, answered, [Ref, {ok, Answer}], Gave)
            end;
        _ -> call(Name, answered, [Ref, {error, gone}], World)
    end;
do(_Name, {send, Blob}, #world{blobs = Blobs} = World) ->
    World#world{blobs = Blobs#{crypto:hash(sha256, Blob) => Blob}};
do(Name, {fetch, Ref, Content}, #world{blobs = Blobs} = World) ->
    Found = case Blobs of #{Content := Blob} -> {ok, Blob}; _ -> {error, not_found} end,
    call(Name, answered, [Ref, Found], World);
do(Name, {offer, Task, Genotype, #{id := Id}}, #world{fitness = Table} = World) ->
    Fitness = maps:get(cambrian_genotype:id(Genotype), Table, 0.0),
    call(Name, judged, [Task, #{id => Id, fitness => Fitness, outcome => accepted}], World);
do(_Name, _, World) -> World.

worth(Genotype, Fitness, #world{fitness = Table} = World) ->
    World#world{fitness = Table#{cambrian_genotype:id(Genotype) => Fitness}}.

bred(Name, Genotype, Fitness, World) ->
    call(Name, bred, [?TASK, #{champion => Genotype, fitness => Fitness, generation => 1}],
         worth(Genotype, Fitness, World)).

%% Moves the time from wake to wake.
later(Ms, #world{now = Now} = World) -> until(Now + Ms, World).

until(End, #world{nodes = Nodes} = World) ->
    {At, Name} = lists:min([{cambrian_exchange:wake(X), Name} || {Name, X} <- maps:to_list(Nodes)]),
    case At > End of
        true -> World#world{now = End};
        false -> until(End, call(Name, tick, [], World#world{now = max(At, World#world.now)}))
    end.

best(Name, #world{nodes = Nodes}) ->
    case cambrian_exchange:best(maps:get(Name, Nodes)) of
        #{?TASK := #{genotype := Genotype, fitness := Fitness}} ->
            {cambrian_genotype:id(Genotype), Fitness};
        _ -> none
    end.

all_best(#world{nodes = Nodes} = World) ->
    lists:usort([best(Name, World) || Name <- maps:keys(Nodes)]).

did(What, #world{done = Done}) ->
    [{Name, Effect} || {Name, Effect} <- lists:reverse(Done), element(1, Effect) =:= What].

%% The genotypes that nodes asked for; other questions are left out.
requests(World) ->
    [Id
     || {_, {ask, _, _, Bytes}} <- did(ask, World),
     {ok, {<<_:32/binary>> = Id, _}} <- [cambrian_message:read_request(Bytes)]].

answers(World) ->
    [Answer
     || {_, {answer, Bytes}} <- did(answer, World),
     {ok, Answer} <- [cambrian_message:read_answer(Bytes)]].

steps(Name, Genotype, #world{nodes = Nodes}) ->
    [Step
     || #{step := Step} <- cambrian_exchange:story(cambrian_genotype:id(Genotype),
                                                   maps:get(Name, Nodes))].

genotype(Inputs, Seed) ->
    {ok, Genotype} = cambrian_genotype:new(#{inputs => Inputs, outputs => 1}, Seed),
    Genotype.

id(Genotype) -> cambrian_genotype:id(Genotype).

%% The answer of the node with this key and this address.
lives(Who, Address, Question) ->
    {ok, {who, Nonce}} = cambrian_message:read_request(Question),
    cambrian_message:lives(?REALM, Address, Nonce, identity(Who)).

asks({Effects, X}) -> {[Ask || {ask, _, _, _} = Ask <- Effects], X}.

alone(Options) ->
    {_, X} =
        cambrian_exchange:new(maps:merge(#{realm => ?REALM, identity => identity(<<"me">>),
                                           address => <<"me">>, seed => 1, now => ?T0,
                                           trust =>
                                               {fun cambrian_realm:ask/3,
                                                cambrian_realm:new(#{name => ?REALM})}}, Options)),
    {_, Joined} = cambrian_exchange:join(?TASK, maps:get(now, Options, ?T0), X),
    Joined.

envelope(Who, Sequence, Genotype, Fitness, Now) ->
    {ok, Bytes} =
        cambrian_envelope:seal(#{realm => ?REALM, task => ?TASK, fitness => Fitness,
                                 generation => 0,
                                 sequence => Sequence, time => Now},
                               Genotype, crypto:hash(sha256, Who)),
    Bytes.

announcement(Who, Sequence, Genotype, Fitness, Now) ->
    {ok, Envelope, _} = cambrian_envelope:read(envelope(Who, Sequence, Genotype, Fitness, Now)),
    cambrian_message:announcement(best, cambrian_envelope:record(Envelope), Who).

%% The effects of several calls, in order.
all_of(Steps, X) ->
    lists:foldl(fun(Step, {Wanted, Y}) -> {Effects, Next} = Step(Y), {Wanted ++ Effects, Next} end,
                {[], X}, Steps).

hears(Bytes, Now) -> fun(X) -> cambrian_exchange:heard(Bytes, Now, X) end.

offers(Effects) -> [Id || {offer, _, _, #{id := Id}} <- Effects].

%% A realm in which these keys have earned their place, whatever the realm says.
trust_with_places(Has) ->
    Ask = fun({has_earned, Key}, _Now, Realm) -> {Has(Key), Realm};
             (Question, Now, Realm) -> cambrian_realm:ask(Question, Now, Realm)
          end,
    {Ask, cambrian_realm:new(#{name => ?REALM})}.

calls(Address, Effects) -> [Ref || {ask, Ref, To, _} <- Effects, To =:= Address].

claims_of(Who, N, Address) ->
    {ok, Envelope, _} = cambrian_envelope:read(envelope(Who, N, genotype(200, N), 9.0, ?T0)),
    cambrian_message:announcement(news, cambrian_envelope:record(Envelope), Address).

%% The questions of a node whose calls are all answered by this fun, in order and at most so many:
%% the address, the genotype and the bases it holds.
conversation(Answer, Most, {Effects, X}) ->
    conversation(Answer, Most, [Ask || {ask, _, _, _} = Ask <- Effects], [], X).

conversation(_Answer, Most, Asks, Asked, X) when Asks =:= []; length(Asked) >= Most ->
    {lists:reverse(Asked), X};
conversation(Answer, Most, [{ask, Ref, Address, Bytes} | Asks], Asked, X) ->
    {Result, Said} = case cambrian_message:read_request(Bytes) of
                         {ok, {who, _}} -> {{ok, lives(Address, Address, Bytes)}, Asked};
                         {ok, {Id, Held}} ->
            {Answer(Address, Id, Held), [{Address, Id, Held} | Asked]}
                     end,
    {Effects, Next} = cambrian_exchange:answered(Ref, Result, ?T0, X),
    conversation(Answer, Most, Asks ++ [Ask || {ask, _, _, _} = Ask <- Effects], Said, Next).

holding(Genotypes) ->
    lists:foldl(fun({N, G}, X) ->
                    {{ok, _}, _, Next} =
                        cambrian_exchange:publish(?TASK, G,
                                                  #{fitness => 1.0 + N, generation => 0,
                                                    parents => [], operators => []}, ?T0, X),
                    Next
                end, alone(#{}), lists:enumerate(Genotypes)).

heartbeat_of(Who, Time) -> cambrian_message:heartbeat(?REALM, Who, {Time, 5000}, identity(Who)).
