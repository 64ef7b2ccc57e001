%% Reads the test vectors, Cambrian's and those of a program in Python, as any user would. Each
%% vector has the facts of its text file, one a line.
-module(cambrian_vectors_tests).
-include_lib("eunit/include/eunit.hrl").

%% With BLESS=1 in the environment, writes Cambrian's vectors of messages again.
every_vector_has_its_documented_facts_test_() ->
    _ = [bless() || os:getenv("BLESS") =/= false],
    [{Folder ++ "/" ++ Name,
      fun() -> check(kind(Name), bytes(Folder, Name), facts(Folder, Name), Folder) end}
     || Folder <- ["ours", "theirs", "ours/messages", "theirs/messages"], Name <- names(Folder)].

every_kind_of_vector_exists_test() ->
    [?assertEqual(["charter", "difference", "envelope", "genotype", "grant", "record",
                   "succession"],
                  lists:usort([kind(Name) || Name <- names(Folder)]))
     || Folder <- ["ours", "theirs"]],
    [?assertEqual(["announcement", "answer", "charters", "heartbeat", "request"],
                  lists:usort([kind(Name) || Name <- names(Folder)]))
     || Folder <- ["ours/messages", "theirs/messages"]].

the_vectors_of_messages_are_what_cambrian_writes_test() ->
    [?assertEqual({Name, Bytes, iolist_to_binary(Text)},
                  {Name, bytes("ours/messages", Name), bytes("ours/messages", Name ++ ".txt")})
     || {Name, Bytes, Text} <- messages()],
    ?assertEqual(lists:sort([Name || {Name, _, _} <- messages()]), names("ours/messages")).

%% The program in Python accepts the same ones.
the_same_changed_messages_are_accepted_everywhere_test_() ->
    [{timeout, 60,
      fun() -> ?assertEqual(bytes(Folder, "changed.txt"), iolist_to_binary(changed(Folder))) end}
     || Folder <- ["ours/messages", "theirs/messages"]].

check("genotype", Bytes, [{<<"genotype">>, Schema} | Facts], _) ->
    {ok, Genotype} = cambrian_genotype:from_binary(Bytes),
    ?assertEqual(fact(id, Facts), hex(cambrian_genotype:id(Genotype))),
    ?assertEqual(fact(bytes, Facts), hex(crypto:hash(sha256, Bytes))),
    ?assertEqual(Schema =:= <<"3">>, cambrian_genotype:to_binary(Genotype) =:= Bytes),
    #{inputs := Inputs, outputs := Outputs, nodes := Nodes, connections := Connections} =
        cambrian_genotype:to_map(Genotype),
    ?assertEqual({integer(inputs, Facts), integer(outputs, Facts)}, {Inputs, Outputs}),
    ?assertEqual([told_node(Kind, What) || {Kind, What} <- Facts, is_node(Kind)],
                 [seen_node(Node) || Node <- Nodes]),
    ?assertEqual([told_connection(What) || {<<"connection">>, What} <- Facts],
                 [seen_connection(Connection) || Connection <- Connections]);
check("difference", Bytes, Facts, Folder) ->
    {ok, Target} = cambrian_genotype:patch(genotype(fact(base, Facts), Folder), Bytes),
    ?assertEqual(fact(target, Facts), hex(cambrian_genotype:id(Target)));
check("envelope", Bytes, Facts, Folder) ->
    {ok, Envelope, Read} = cambrian_envelope:read(Bytes),
    ?assertEqual(claims(Facts), Read),
    {ok, Genotype} = cambrian_envelope:open(Envelope, genotype(fact(base, Facts), Folder)),
    ?assertEqual(fact(opens, Facts), hex(cambrian_genotype:id(Genotype))),
    ?assertEqual({ok, Read}, cambrian_envelope:read_record(cambrian_envelope:record(Envelope)));
check("record", Bytes, Facts, _) ->
    ?assertEqual({ok, claims(Facts)}, cambrian_envelope:read_record(Bytes));
check("succession", Bytes, Facts, _) ->
    ?assertEqual({ok,
                  #{old => unhex(fact(old, Facts)), new => unhex(fact(new, Facts)),
                    time => integer(time, Facts)}},
                 cambrian_nif:identity_read_succession(Bytes));
check("grant", Bytes, [{<<"grant">>, Version} | Facts], _) ->
    {ok, #{id := Id, issued := Issued} = Read} = cambrian_identity:read_grant(Bytes),
    ?assertEqual(case Version of
                     <<"1">> -> {undefined, Id};
                     <<"2">> -> {integer(issued, Facts), unhex(fact(id, Facts))}
                 end, {Issued, Id}),
    ?assertEqual(#{realm => fact(realm, Facts), by => all(by, Facts),
                   key => unhex(fact(key, Facts)),
                   until => integer(until, Facts)},
                 maps:without([issued, id], Read)),
    ?assertEqual({ok, Read}, cambrian_identity:peek_grant(Bytes));
check("charter", Bytes, Facts, _) ->
    Said =
        #{realm => fact(realm, Facts), number => integer(number, Facts),
          issued => integer(issued, Facts),
          owners => all(owner, Facts), threshold => integer(threshold, Facts),
          revoked => all(revoked, Facts),
          by => all(by, Facts), id => unhex(fact(id, Facts))},
    ?assertEqual([{ok, Said}, {ok, Said}],
                 [cambrian_charter:read(Bytes), cambrian_charter:peek(Bytes)]);
check("charters", Bytes, [_Count | Facts], _) ->
    {charters, Charters} = cambrian_message:kind(Bytes),
    ?assertEqual(all(charter, Facts), [crypto:hash(sha256, Charter) || Charter <- Charters]),
    ?assertEqual(Bytes, cambrian_message:charters(Charters));
check("announcement", Bytes, [{<<"announcement">>, Urgency} | Facts], _) ->
    {announcement, Said, Record, Address} = cambrian_message:kind(Bytes),
    ?assertEqual({Urgency, fact(address, Facts)}, {atom_to_binary(Said), hex(Address)}),
    ?assertEqual({ok, claims(Facts)}, cambrian_envelope:read_record(Record)),
    ?assertEqual(Bytes, cambrian_message:announcement(Said, Record, Address));
check("heartbeat", Bytes, Facts, _) ->
    ?assertEqual({ok,
                  #{key => unhex(fact(key, Facts)), address => unhex(fact(address, Facts)),
                    time => integer(time, Facts),
                    interval => integer(interval, Facts)}}, genuine_heartbeat(Bytes));
check("request", Bytes, [{<<"request">>, <<"ping">>}], _) ->
    ?assertEqual({ok, ping}, cambrian_message:read_request(Bytes)),
    ?assertEqual(Bytes, cambrian_message:ping());
check("request", Bytes, [{<<"request">>, <<"who">>}, {<<"nonce">>, Nonce}], _) ->
    ?assertEqual({ok, {who, unhex(Nonce)}}, cambrian_message:read_request(Bytes)),
    ?assertEqual(Bytes, cambrian_message:who(unhex(Nonce)));
check("request", Bytes, [{<<"request">>, Id} | Facts], _) ->
    Holds = [unhex(Held) || {<<"holds">>, Held} <- Facts],
    ?assertEqual({ok, {unhex(Id), Holds}}, cambrian_message:read_request(Bytes)),
    ?assertEqual(Bytes, cambrian_message:request(unhex(Id), Holds));
check("answer", Bytes, Facts, _) ->
    {ok, Answer} = cambrian_message:read_answer(Bytes),
    ?assertEqual(iolist_to_binary([[Name, " ", What, "\n"] || {Name, What} <- Facts]),
                 iolist_to_binary(answer_text(Answer))),
    ?assertEqual(Bytes, cambrian_message:answer(Answer)).

all(Name, Facts) ->
    Text = atom_to_binary(Name),
    [unhex(What) || {Is, What} <- Facts, Is =:= Text].

claims(Facts) ->
    #{realm => fact(realm, Facts), task => fact(task, Facts),
      genotype => unhex(fact(genotype, Facts)),
      base => unhex(fact(base, Facts)), fitness => binary_to_float(fact(fitness, Facts)),
      generation => integer(generation, Facts),
      parents => [unhex(Id) || {<<"parent">>, Id} <- Facts],
      operators => [Name || {<<"operator">>, Name} <- Facts], origin => unhex(fact(origin, Facts)),
      grant => unhex(fact(grant, Facts)), sequence => integer(sequence, Facts),
      time => integer(time, Facts)}.

%% ---- messages ----------------------------------------------------------------------------

%% The realm of all heartbeats.
-define(REALM, <<"org.example.größe"/utf8>>).

genuine_heartbeat(Bytes) ->
    {heartbeat, Body, Signature} = cambrian_message:kind(Bytes),
    {ok, #{key := Key} = Heartbeat} = cambrian_message:read_heartbeat(Body, 1 bsl 64),
    case cambrian_message:is_genuine(?REALM, {Body, Signature}, Key) of
        true -> {ok, Heartbeat};
        false -> {error, bad_signature}
    end.

%% Ids as hexadecimal digits; longer bytes by their SHA-256.
answer_text(none) -> "answer none\n";
answer_text({whole, Envelope, Breeder}) ->
    ["answer whole\nenvelope ", sha256(Envelope), "\nbreeder ", sha256(Breeder), "\n"];
answer_text({difference, Base, Difference, Breeder}) ->
    ["answer difference\nbase ", hex(Base), "\ndifference ", sha256(Difference), "\nbreeder ",
     sha256(Breeder), "\n"];
answer_text({elsewhere, Content, Breeder}) ->
    ["answer elsewhere\ncontent ", hex(Content), "\nbreeder ", sha256(Breeder), "\n"].

sha256(undefined) -> "none";
sha256(Bytes) -> hex(crypto:hash(sha256, Bytes)).

%% The vectors that Cambrian writes, made from files beside them.
messages() ->
    [Envelope, Difference, Breeder] =
        [bytes("ours", Name)
         || Name <- ["whole.envelope", "weights.difference", "difference.record"]],
    {ok, Read, _} = cambrian_envelope:read(Envelope),
    Charter = bytes("ours", "owners.charter"),
    Record = cambrian_envelope:record(Read),
    Base = unhex(fact(base, facts("ours", "weights.difference"))),
    Held = [crypto:hash(sha256, <<N>>) || N <- lists:seq(1, 3)],
    [{Name ++ ".announcement", cambrian_message:announcement(Urgency, Record, Address),
      announcement_text(Urgency, Address)}
     || {Name, Urgency, Address} <- [{"news", news, <<"hallucigenia_41002@127.0.0.1/2e">>},
                                     {"best", best, binary:copy(<<"a">>, 255)}]]
    ++ [{Name ++ ".heartbeat",
         cambrian_message:heartbeat(?REALM, Address, {Time, Interval},
                                    cambrian_identity:from_secret(Secret)),
         heartbeat_text(Secret, Address, Time, Interval)}
        || {Name, Secret, Address, Time, Interval} <-
               [{"first", binary:copy(<<16#21>>, 32), <<"hallucigenia_41002@127.0.0.1/2e">>,
                 1_800_000_000_000, 5000},
                {"nowhere", binary:copy(<<16#22>>, 32), <<>>, 0, 1}]]
    ++ [{Name ++ ".charters", cambrian_message:charters(Charters),
         ["charters ", integer_to_list(length(Charters)), "\n",
          [["charter ", sha256(Each), "\n"] || Each <- Charters]]}
        || {Name, Charters} <- [{"one", [Charter]},
                                {"nine", [Charter | [<<N>> || N <- lists:seq(1, 8)]]}]]
    ++ [{"ping.request", cambrian_message:ping(), "request ping\n"},
        {"who.request", cambrian_message:who(Base), ["request who\nnonce ", hex(Base), "\n"]},
        {"known.request", cambrian_message:request(Base, Held),
         ["request ", hex(Base), "\n", [["holds ", hex(Id), "\n"] || Id <- Held]]}]
    ++ [{Name ++ ".answer", cambrian_message:answer(Answer), answer_text(Answer)}
        || {Name, Answer} <- [{"none", none}, {"whole", {whole, Envelope, Breeder}},
                              {"difference", {difference, Base, Difference, Record}},
                              {"elsewhere",
                               {elsewhere, crypto:hash(sha256, Envelope), undefined}}]].

%% The facts of the envelope without its kind and its payload.
announcement_text(Urgency, Address) ->
    [_ | Facts] = facts("ours", "whole.envelope"),
    ["announcement ", atom_to_binary(Urgency), "\naddress ", hex(Address), "\n",
     [[Name, " ", What, "\n"] || {Name, What} <- Facts, Name =/= <<"opens">>]].

heartbeat_text(Secret, Address, Time, Interval) ->
    io_lib:format("heartbeat 1~nkey ~s~naddress ~s~ntime ~b~ninterval ~b~n",
                  [hex(cambrian_identity:public_key(Secret)), hex(Address), Time, Interval]).

bless() ->
    Folder = folder("ours/messages"),
    ok = filelib:ensure_dir(filename:join(Folder, "any")),
    [ok = file:write_file(filename:join(Folder, Name ++ End), What)
     || {Name, Bytes, Text} <- messages(), {End, What} <- [{"", Bytes}, {".txt", Text}]],
    ok = file:write_file(filename:join(Folder, "changed.txt"), changed("ours/messages")).

%% For every vector, all variants with one byte changed: how many are accepted, and the hash of
%% these.
changed(Folder) ->
    [begin
         Bytes = bytes(Folder, Name),
         Fates = << <<(fate(kind(Name), <<Before/binary, (Byte bxor Mask), After/binary>>))>>
                    || At <- lists:seq(0, byte_size(Bytes) - 1), Mask <- [1, 16, 128, 255],
                       <<Before:At/binary, Byte, After/binary>> <- [Bytes] >>,
         Accepted = length([1 || <<1>> <= Fates]),
         io_lib:format("~s ~b of ~b ~s~n", [Name, Accepted, byte_size(Fates), sha256(Fates)])
     end || Name <- names(Folder)].

fate(Kind, Bytes) ->
    case accepts(Kind, Bytes) of true -> 1; false -> 0 end.

accepts("announcement", Bytes) ->
    case cambrian_message:kind(Bytes) of
        {announcement, _, Record, _} -> element(1, cambrian_envelope:read_record(Record)) =:= ok;
        _ -> false
    end;
accepts("heartbeat", Bytes) ->
    try genuine_heartbeat(Bytes) of
        {Fate, _} -> Fate =:= ok
    catch error:{badmatch, _} -> false
    end;
accepts("charters", Bytes) ->
    case cambrian_message:kind(Bytes) of
        {charters, _} -> true;
        _ -> false
    end;
accepts("request", Bytes) -> element(1, cambrian_message:read_request(Bytes)) =:= ok;
accepts("answer", Bytes) -> element(1, cambrian_message:read_answer(Bytes)) =:= ok.

%% ---- genes -------------------------------------------------------------------------------

is_node(Kind) -> lists:member(Kind, [<<"input">>, <<"hidden">>, <<"output">>]).

told_node(Kind, What) ->
    [Id, Layer | Genes] = binary:split(What, <<" ">>, [global]),
    {binary_to_atom(Kind), binary_to_integer(Id, 16), binary_to_integer(Layer, 16),
     lists:sort(lists:map(fun gene/1, Genes))}.

gene(Text) ->
    [Name, Value] = binary:split(Text, <<"=">>),
    {binary_to_atom(Name),
     try f32(binary_to_float(Value)) catch error:badarg -> binary_to_atom(Value) end}.

%% Only genes with unusual values.
seen_node(#{kind := Kind, id := Id, layer := Layer} = Node) ->
    Usual =
        #{activation => identity, aggregation => sum, bias => 0.0, gain => 1.0, dynamics => none,
          time_constant => 1.0,
          plasticity => none, learning_rate => 0.0, decay => 0.0},
    Genes =
        [{Gene, value(maps:get(Gene, Node, Value)), value(Value)}
         || {Gene, Value} <- maps:to_list(Usual)],
    {Kind, Id, Layer, lists:sort([{Gene, Seen} || {Gene, Seen, Value} <- Genes, Seen =/= Value])}.

told_connection(What) ->
    [Id, From, To, Weight | Disabled] = binary:split(What, <<" ">>, [global]),
    {binary_to_integer(Id, 16), binary_to_integer(From, 16), binary_to_integer(To, 16),
     f32(binary_to_float(Weight)),
     Disabled =:= []}.

seen_connection(#{id := Id, from := From, to := To, weight := Weight, enabled := Enabled}) ->
    {Id, From, To, f32(Weight), Enabled}.

value(Value) when is_float(Value) -> f32(Value);
value(Value) -> Value.

%% The bits, since -0.0 is not 0.0.
f32(Float) -> <<Float:32/float>>.

%% ---- files -------------------------------------------------------------------------------

names(Folder) ->
    [Name || Name <- filelib:wildcard("*.*", folder(Folder)), filename:extension(Name) =/= ".txt"].

kind(Name) -> tl(filename:extension(Name)).

bytes(Folder, Name) ->
    {ok, Bytes} = file:read_file(filename:join(folder(Folder), Name)),
    Bytes.

facts(Folder, Name) ->
    Lines = binary:split(bytes(Folder, Name ++ ".txt"), <<"\n">>, [global, trim]),
    [{Fact, What} || Line <- Lines, [Fact, What] <- [binary:split(Line, <<" ">>)]].

%% The id of a genotype.
genotype(<<"none">>, _) -> undefined;
genotype(Id, Folder) ->
    All =
        [cambrian_genotype:from_binary(bytes(Folder, Name))
         || Name <- names(Folder), kind(Name) =:= "genotype"],
    [Genotype | _] =
        [Genotype || {ok, Genotype} <- All, hex(cambrian_genotype:id(Genotype)) =:= Id],
    Genotype.

fact(Name, Facts) -> proplists:get_value(atom_to_binary(Name), Facts).

integer(Name, Facts) -> binary_to_integer(fact(Name, Facts)).

hex(Bytes) -> string:lowercase(binary:encode_hex(Bytes)).

unhex(<<"none">>) -> undefined;
unhex(Hex) -> binary:decode_hex(Hex).

folder(Name) -> cambrian_checkout:path("test/vectors/" ++ Name).
