%% @private
%% A node of a simulation that lies in every known way: it changes or repeats signed messages of
%% others, claims too high a fitness, signs bombs and garbage, and gives wrong answers. It has the
%% exchange of an honest node, so that other nodes treat it as one, and gives that exchange false
%% values. It signs its inventions with another key.
-module(cambrian_liar).

-export([start/2, generation/2, evaluate/3, heard/3, asked/4, answered/4, tick/2, wake/1, crash/1,
         restart/3, keys/1, lies/0, answers/0, is_stalling/1]).
-export_type([liar/0, options/0, lie/0, answer/0]).

%% Each lie is drawn from `lies', and each answer to a call from `answers'.
-type options() :: #{realm := binary(), secret := cambrian_identity:secret(), address := binary(),
                     exchange := map(), task := cambrian_task:native(),
                     seed := non_neg_integer(), lies => [lie()], answers => [answer()],
                     flood => {How :: pos_integer(), Of :: [lie()]}, atom() => term()}.
-type lie() :: truth | forged | replayed | truncated | garbage | oversized | inflated | bomb
             | rubbish | wrong_id | wrong_realm | bad_base | stolen_heartbeat | crowd | flood
             | costly | stalling | fresh | false_address | succession_flood | forged_heartbeats
             | false_root.
-type answer() :: honest | none | never | garbage | huge | bomb | another | bad_base.

-record(liar, {options :: options(), exchange :: cambrian_exchange:exchange(), rand :: rand:state(),
               seen = [] :: [binary()], sequence = 0 :: non_neg_integer(),
               %% genotypes that it claimed to be elites of a common archive
               elites = #{} :: #{cambrian_genotype:id() => cambrian_genotype:genotype()},
               claimed = 3.0 :: float()}).
-opaque liar() :: #liar{}.

-define(REMEMBERED, 40).
%% The idle nodes of a true genotype that costs hundreds of times as much as others, and of one that
%% costs a few times as much.
-define(IDLE, [10, 500]).
%% The id of a node that marks a genotype whose evaluation never ends.
-define(STALLING, 16#57a11).
%% How many messages a burst has.
-define(BURST, 20).
-define(MEGABYTE, 1_048_576).

%% @doc The default lies. `truth' is sometimes a true measurement.
-spec lies() -> [lie()].
lies() ->
    [truth, forged, replayed, truncated, garbage, oversized, inflated, inflated, inflated, bomb,
     rubbish, wrong_id, wrong_realm, bad_base, stolen_heartbeat, crowd, flood, costly, stalling,
     fresh, false_address, succession_flood, forged_heartbeats].

-spec answers() -> [answer()].
answers() -> [honest, honest, honest, none, never, garbage, huge, bomb, another, bad_base].

-spec start(options(), Now :: integer()) -> {[cambrian_island:effect()], liar()}.
start(#{secret := Secret, seed := Seed, realm := Realm} = Options, Now) ->
    #{exchange := Given, address := Address} = Options,
    Identity = cambrian_identity:from_secret(Secret),
    Trust = {fun cambrian_realm:ask/3, cambrian_realm:new(#{name => Realm})},
    {Effects, Exchange} = cambrian_exchange:new(Given#{realm => Realm, identity => Identity,
                                                       address => Address, seed => Seed, now => Now,
                                                       once => fun cambrian_memo:once/2,
                                                       trust => Trust}),
    {More, Joined} = cambrian_exchange:join(task(Options), Now, Exchange),
    settle(Effects ++ More, Now,
           #liar{options = Options, exchange = Joined, rand = rand:seed_s(exsss, Seed)}).

task(#{task := {Name, _}}) -> atom_to_binary(Name);
task(#{task := Name}) -> atom_to_binary(Name).

%% @doc Tells its next lie.
-spec generation(Now :: integer(), liar()) -> {[cambrian_island:effect()], liar()}.
generation(_Now, #liar{options = #{lies := []}} = Liar) -> {[], Liar};
generation(Now, #liar{options = Options} = Liar) ->
    {Lie, Drawn} = pick(maps:get(lies, Options, lies()), Liar),
    lie(Lie, Now, Drawn).

lie(truth, Now, #liar{options = #{task := Task}} = Liar) ->
    {Genotype, Grown} = genotype(Liar),
    {Bytes, Next} = sealed(Genotype, undefined,
                           #{fitness => cambrian_colony:measure(Genotype, Task)}, Now, Grown),
    {[{publish, Bytes}], Next};
%% It calls a node and shows a root of a common archive that nobody has.
lie(false_root, _Now, #liar{options = #{subject := Subject, nodes := Nodes}} = Liar) ->
    {Nonce, Drawn} = noise(16, Liar),
    {Root, Next} = noise(32, Drawn),
    {To, Last} = uniform(Nodes, Next),
    Question = cambrian_message:compare(#{subject => Subject, nonce => Nonce, node => {2, 0},
                                          digests => Root}),
    {[{ask, 0, integer_to_binary(To), Question}], Last};
%% The liar signs with either key.
lie(inflated, Now, Liar) ->
    {Genotype, Grown} = genotype(Liar),
    case uniform(2, Grown) of
        {1, Drawn} -> boast(Genotype, Now, Drawn);
        {2, Drawn} ->
            {Bytes, Next} = sealed(Genotype, undefined, #{}, Now, Drawn),
            {[{publish, Bytes}], Next}
    end;
%% The claim is true, but its verification is expensive.
lie(costly, Now, Liar) ->
    {Idle, Drawn} = pick(?IDLE, Liar),
    {Genotype, Grown} = genotype(Drawn),
    announced(with_idle(lists:seq(1, Idle), Genotype), measure, Now, Grown);
lie(stalling, Now, Liar) ->
    {Genotype, Grown} = genotype(Liar),
    announced(with_idle([?STALLING], Genotype), claim, Now, Grown);
lie(Burst, Now, Liar)
  when Burst =:= fresh; Burst =:= false_address; Burst =:= succession_flood;
       Burst =:= forged_heartbeats ->
    {All, Last} = lists:mapfoldl(fun(_, L) -> bytes(Burst, Now, L) end, Liar, lists:seq(1, ?BURST)),
    {[{publish, Bytes} || Bytes <- All], Last};
lie(flood, Now, #liar{options = Options} = Liar) ->
    {Count, Lies} = maps:get(flood, Options,
                             {60, [forged, replayed, garbage, rubbish, inflated, crowd]}),
    {Effects, Flooded} = lists:mapfoldl(fun(_, L) ->
                                            {Lie, Drawn} = pick(Lies, L),
                                            lie(Lie, Now, Drawn)
                                        end, Liar, lists:seq(1, Count)),
    {lists:append(Effects), Flooded};
lie(Lie, Now, Liar) ->
    {Bytes, Next} = bytes(Lie, Now, Liar),
    {[{publish, Bytes}], Next}.

%% The claimed fitness grows, so that it is worth a request.
boast(Genotype, Now, #liar{options = Options, claimed = Claimed, exchange = Exchange} = Liar) ->
    Champion = #{champion => Genotype, fitness => Claimed + 0.01, generation => 7, parents => [],
                 operators => [crossover]},
    {Effects, Next} = cambrian_exchange:bred(task(Options), Champion, Now, Exchange),
    settle(Effects, Now, Liar#liar{exchange = Next, claimed = Claimed + 0.01}).

bytes(forged, _Now, Liar) ->
    {Bytes, Drawn} = seen(Liar),
    {At, Next} = uniform(byte_size(Bytes), Drawn),
    {Bit, Last} = uniform(255, Next),
    <<Before:(At - 1)/binary, Byte, After/binary>> = Bytes,
    {<<Before/binary, (Byte bxor Bit), After/binary>>, Last};
bytes(replayed, _Now, Liar) -> seen(Liar);
bytes(truncated, _Now, Liar) ->
    {Bytes, Drawn} = seen(Liar),
    {Size, Next} = uniform(byte_size(Bytes), Drawn),
    {binary:part(Bytes, 0, Size - 1), Next};
bytes(garbage, _Now, Liar) -> noise(300, Liar);
bytes(oversized, _Now, Liar) -> {zeros(?MEGABYTE - 1), Liar};
bytes(wrong_realm, Now, Liar) ->
    {Genotype, Grown} = genotype(Liar),
    sealed(Genotype, undefined, #{realm => <<"org.example.elsewhere">>}, Now, Grown);
bytes(bad_base, Now, Liar) ->
    {Base, Grown} = genotype(Liar),
    {ok, Target} = cambrian_genotype:mutate(Base, add_node, 1),
    sealed(Target, Base, #{}, Now, Grown);
bytes(bomb, Now, Liar) -> wrapped(bomb(), Now, Liar);
bytes(rubbish, Now, Liar) ->
    {Noise, Drawn} = noise(200, Liar),
    wrapped(Noise, Now, Drawn);
bytes(wrong_id, Now, Liar) ->
    {Other, Grown} = genotype(Liar),
    {Sealed, Next} = sealed(Other, undefined, #{}, Now, Grown),
    {_, _, Payload} = parts(Sealed),
    wrapped(Payload, Now, Next);
bytes(stolen_heartbeat, Now,
      #liar{options = #{realm := Realm, secret := Secret, address := Address}} = Liar) ->
    {Key, Drawn} = noise(32, Liar),
    Identity = cambrian_identity:from_secret(Secret),
    {cambrian_message:heartbeat(Realm, Address, {Now, 5000}, Identity#{key := Key}), Drawn};
%% Each message has a key that is new to all nodes.
bytes(fresh, Now, Liar) ->
    {Secret, Drawn} = noise(32, Liar),
    {Genotype, Grown} = genotype(Drawn),
    sealed_by(Secret, Genotype, undefined, #{}, Now, Grown);
%% The key is new here, too. The message names the address of another node, which does not have the
%% genotype.
bytes(false_address, Now, Liar) ->
    {Bytes, Sealed} = bytes(fresh, Now, Liar),
    {Address, Next} = uniform(12, Sealed),
    {ok, Envelope, _} = cambrian_envelope:read(Bytes),
    {cambrian_message:announcement(news, cambrian_envelope:record(Envelope),
                                   integer_to_binary(Address)), Next};
%% One key signs half of them and names a new successor each time.
bytes(succession_flood, Now, #liar{options = Options} = Liar) ->
    {Fresh, Drawn} = noise(32, Liar),
    {Heir, Next} = noise(32, Drawn),
    {Which, Last} = uniform(2, Next),
    Old = case Which of 1 -> Fresh; 2 -> crypto:hash(sha256, other_secret(Options)) end,
    {cambrian_nif:identity_succession(Old, Heir, Now), Last};
%% The keys may exist, but the signatures are forged.
bytes(forged_heartbeats, Now, #liar{options = #{realm := Realm, secret := Secret}} = Liar) ->
    {Key, Drawn} = noise(32, Liar),
    {Address, Next} = uniform(12, Drawn),
    Forged = (cambrian_identity:from_secret(Secret))#{key := Key},
    {cambrian_message:heartbeat(Realm, integer_to_binary(Address), {Now, 5000}, Forged), Next};
%% A node that never existed, at another node's address.
bytes(crowd, Now, #liar{options = #{realm := Realm}} = Liar) ->
    {Secret, Drawn} = noise(32, Liar),
    {Address, Next} = uniform(12, Drawn),
    {cambrian_message:heartbeat(Realm, integer_to_binary(Address), {Now, 5000},
                                cambrian_identity:from_secret(Secret)), Next}.

seen(#liar{seen = []} = Liar) -> noise(100, Liar);
seen(#liar{seen = Seen} = Liar) -> pick(Seen, Liar).

%% This node offers the genotype.
announced(Genotype, How, Now,
          #liar{options = #{task := Task} = Options, exchange = Exchange,
                claimed = Claimed} = Liar) ->
    Fitness = case How of measure -> cambrian_colony:measure(Genotype, Task); claim -> Claimed end,
    Claims = #{fitness => Fitness, generation => 7, parents => [], operators => [crossover]},
    {_, Effects, Next} = cambrian_exchange:publish(task(Options), Genotype, Claims, Now, Exchange),
    settle(Effects, Now, Liar#liar{exchange = Next}).

with_idle(Ids, Genotype) ->
    #{nodes := Nodes, connections := Connections} = Genes = cambrian_genotype:to_map(Genotype),
    #{id := Output} = lists:last(Nodes),
    Idle = [#{kind => hidden, id => 1_000_000 + Id, layer => 1 bsl 62, activation => tanh,
              dynamics => ltc, time_constant => 1.0}
            || Id <- Ids],
    Links = [#{from => Id, to => Output, weight => 0.0, enabled => true} || #{id := Id} <- Idle],
    {ok, Bloated} = cambrian_genotype:from_map(Genes#{nodes := Nodes ++ Idle,
                                                      connections := Connections ++ Links}),
    Bloated.

%% @doc Whether the evaluation of a genotype never ends.
-spec is_stalling(cambrian_genotype:genotype()) -> boolean().
is_stalling(Genotype) ->
    #{nodes := Nodes} = cambrian_genotype:to_map(Genotype),
    lists:any(fun(#{id := Id}) -> Id =:= 1_000_000 + ?STALLING end, Nodes).

%% An envelope with a correct signature.
sealed(Genotype, Base, Changes, Now, #liar{options = Options} = Liar) ->
    sealed_by(other_secret(Options), Genotype, Base, Changes, Now, Liar).

sealed_by(Secret, Genotype, Base, Changes, Now, #liar{options = Options} = Liar) ->
    #{realm := Realm} = Options,
    #liar{sequence = Last} = Liar,
    Sequence = max(Last + 1, Now * 1000),
    Claims = maps:merge(#{realm => Realm, task => task(Options), fitness => Liar#liar.claimed,
                          generation => 7, sequence => Sequence, time => Now}, Changes),
    {ok, Bytes} = cambrian_envelope:seal(Claims, Genotype, Base, Secret),
    {Bytes, Liar#liar{sequence = Sequence}}.

other_secret(#{secret := Secret}) -> crypto:hash(sha256, Secret).

%% @doc The keys with which it signs.
-spec keys(options()) -> [cambrian_identity:key()].
keys(#{secret := Secret} = Options) ->
    [cambrian_identity:public_key(S) || S <- [Secret, other_secret(Options)]].

%% A correct signature around wrong contents.
wrapped(Payload, Now, #liar{options = Options} = Liar) ->
    {Genotype, Grown} = genotype(Liar),
    {Sealed, Next} = sealed(Genotype, undefined, #{}, Now, Grown),
    {around(Payload, Sealed, other_secret(Options)), Next}.

%% A genuine envelope with another payload.
around(Payload, Envelope, Secret) ->
    {Claims, _, Old} = parts(Envelope),
    Said = binary:replace(Claims, crypto:hash(sha256, Old), crypto:hash(sha256, Payload)),
    Signature = crypto:sign(eddsa, none, <<"cambrian envelope 2\n", Said/binary>>,
                            [Secret, ed25519]),
    iolist_to_binary(cambrian_msgpack:encode([Said, Signature, Payload])).

parts(Envelope) ->
    {ok, [Claims, Signature, Payload]} = cambrian_msgpack:decode(Envelope),
    {Claims, Signature, Payload}.

%% A gigabyte of zeros in one zstd frame: 8192 blocks that each repeat one byte.
bomb() ->
    Block = fun(Last) -> <<((128 * 1024) bsl 3 bor 2 bor Last):24/little, 0>> end,
    iolist_to_binary([<<16#28, 16#b5, 16#2f, 16#fd, 16#a0, (1 bsl 30):32/little>>,
                      lists:duplicate(8191, Block(0)), Block(1)]).

genotype(#liar{options = #{task := Task}} = Liar) ->
    #{inputs := Inputs, outputs := Outputs} = cambrian_colony:shape(Task),
    {Seed, Drawn} = uniform(1 bsl 30, Liar),
    {ok, Genotype} = cambrian_genotype:new(#{inputs => Inputs, outputs => Outputs}, Seed),
    {Genotype, Drawn}.

noise(Size, #liar{rand = Rand} = Liar) ->
    {Bytes, Next} = rand:bytes_s(Size, Rand),
    {Bytes, Liar#liar{rand = Next}}.

zeros(Size) -> binary:copy(<<0>>, Size).

uniform(N, #liar{rand = Rand} = Liar) ->
    {Drawn, Next} = rand:uniform_s(N, Rand),
    {Drawn, Liar#liar{rand = Next}}.

pick(List, Liar) ->
    {N, Drawn} = uniform(length(List), Liar),
    {lists:nth(N, List), Drawn}.

%%% ---- like any other node ----------------------------------------------------------------

-spec heard(binary(), Now :: integer(), liar()) -> {[cambrian_island:effect()], liar()}.
heard(Bytes, Now, #liar{exchange = Exchange, seen = Seen} = Liar) ->
    {Effects, Next} = cambrian_exchange:heard(Bytes, Now, Exchange),
    settle(Effects, Now, Liar#liar{exchange = Next, seen = remember(Bytes, Seen)}).

remember(Bytes, Seen) when byte_size(Bytes) =:= 0; byte_size(Bytes) > 4096 -> Seen;
remember(Bytes, Seen) -> [Bytes | lists:sublist(Seen, ?REMEMBERED - 1)].

%% @doc The answer of the liar to a request for a genotype.
-spec asked(binary(), From :: binary(), Now :: integer(), liar()) ->
          {[cambrian_island:effect()], binary() | never | busy, liar()}.
asked(Bytes, From, Now, #liar{options = Options, elites = Elites} = Liar) ->
    case cambrian_message:read_request(Bytes) of
        {ok, {compare, Question}} -> compared(Question, Bytes, From, Now, Liar);
        {ok, {Id, _}} when is_map_key(Id, Elites) ->
            {Envelope, Next} = sealed_by(maps:get(secret, Options), map_get(Id, Elites), undefined,
                                         #{}, Now, Liar),
            {[], cambrian_message:answer({whole, Envelope, undefined}), Next};
        _ ->
            {How, Drawn} = pick(maps:get(answers, Options, answers()), Liar),
            answer(How, Bytes, From, Now, Drawn)
    end.

%% It differs everywhere, and has an elite for every cell.
compared(#{node := {1, Index}} = Question, Bytes, From, Now, Liar) ->
    {How, Drawn} = pick([inflated, inflated, misplaced, misplaced, stalling, invented, unsigned,
                         garbage, huge, never], Liar),
    {Offset, Next} = uniform(32, Drawn),
    case lists:member(How, [garbage, huge, never]) of
        true -> answer(How, Bytes, From, Now, Next);
        false -> elites(How, Index * 32 + Offset - 1, Question, Now, Next)
    end;
compared(_Question, _Bytes, _From, _Now, Liar) ->
    {[], cambrian_message:compared({differ, 1 bsl 32 - 1}), Liar}.

elites(How, Cell, Question, Now, #liar{options = Options, elites = Elites} = Liar) ->
    #{task := Task, realm := Realm, secret := Secret} = Options,
    {Grown, Last} = genotype(Liar),
    {Invented, Next} = noise(32, Last),
    Genotype = case How of stalling -> with_idle([?STALLING], Grown); _ -> Grown end,
    Id = cambrian_genotype:id(Genotype),
    True = cambrian_colony:measure(Genotype, Task),
    Claim = case How of
                inflated -> {Cell, True + 10, Id};
                misplaced -> {Cell, True, Id};
                stalling -> {Cell, True + 10, Id};
                invented -> {Cell, True + 10, Invented};
                unsigned -> {Cell, True + 10, Id}
            end,
    Signer = case How of unsigned -> other_secret(Options); _ -> Secret end,
    #{key := Key} = cambrian_identity:from_secret(Secret),
    Identity = (cambrian_identity:from_secret(Signer))#{key := Key},
    Sequence = max(Next#liar.sequence + 1, Now * 1000),
    Claims = #{sequence => Sequence, time => Now, grant => undefined},
    {[], cambrian_message:elites(Realm, Question, {Claims, [Claim]}, Identity),
     Next#liar{elites = Elites#{Id => Genotype}, sequence = Sequence}}.

answer(honest, Bytes, From, Now, #liar{exchange = Exchange} = Liar) ->
    Asked = cambrian_exchange:asked(Bytes, From, Now, Exchange),
    {Effects, Answer, Next} = cambrian_island:answer(Asked),
    {Own, Settled} = settle(Effects, Now, Liar#liar{exchange = Next}),
    {Own, Answer, Settled};
answer(never, _Bytes, _From, _Now, Liar) -> {[], never, Liar};
answer(none, _Bytes, _From, _Now, Liar) -> {[], cambrian_message:answer(none), Liar};
answer(garbage, _Bytes, _From, _Now, Liar) ->
    {Noise, Drawn} = noise(100, Liar),
    {[], Noise, Drawn};
answer(huge, _Bytes, _From, _Now, Liar) -> {[], zeros(?MEGABYTE - 1), Liar};
answer(How, _Bytes, _From, Now, Liar) ->
    {Envelope, Next} = bytes(case How of another -> wrong_id; _ -> How end, Now, Liar),
    {[], cambrian_message:answer({whole, Envelope, undefined}), Next}.

-spec answered(term(), {ok, binary()} | {error, term()}, Now :: integer(),
               liar()) -> {[cambrian_island:effect()], liar()}.
answered(Ref, Result, Now, #liar{exchange = Exchange} = Liar) ->
    {Effects, Next} = cambrian_exchange:answered(Ref, Result, Now, Exchange),
    settle(Effects, Now, Liar#liar{exchange = Next}).

-spec tick(Now :: integer(), liar()) -> {[cambrian_island:effect()], liar()}.
tick(Now, #liar{exchange = Exchange} = Liar) ->
    {Effects, Next} = cambrian_exchange:tick(Now, Exchange),
    settle(Effects, Now, Liar#liar{exchange = Next}).

-spec wake(liar()) -> integer() | infinity.
wake(#liar{exchange = Exchange}) -> cambrian_exchange:wake(Exchange).

%% @doc Measures nothing, and answers that every genotype is better than claimed.
-spec evaluate({cambrian_genotype:genotype(), map()}, Now :: integer(),
               liar()) -> {[cambrian_island:effect()], liar()}.
evaluate({Genotype, From}, Now,
         #liar{options = Options, exchange = Exchange, claimed = Claimed} = Liar) ->
    Fitness = max(Claimed, maps:get(claimed, From, 0.0)) + 0.01,
    Outcome = #{id => cambrian_genotype:id(Genotype), outcome => accepted, fitness => Fitness},
    {Effects, Next} = cambrian_exchange:judged(task(Options), Outcome, Now, Exchange),
    settle(Effects, Now, Liar#liar{exchange = Next, claimed = Fitness}).

settle(Effects, _Now, Liar) -> {lists:append([effect(Effect) || Effect <- Effects]), Liar}.

effect({offer, _Task, Genotype, From}) -> [{evaluate, Genotype, From}];
effect({pick, _, _}) -> [];
effect({archive, _}) -> [];
effect(Effect) -> [Effect].

-spec crash(liar()) -> map().
crash(#liar{}) -> #{}.

-spec restart(map(), options(), Now :: integer()) -> {[cambrian_island:effect()], liar()}.
restart(#{}, Options, Now) -> start(Options, Now).
