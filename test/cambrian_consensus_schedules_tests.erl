%% What must hold of the records that a federation decides, over random schedules of faults:
%% `cambrian_consensus_world' has the list. `SEEDS=1-10000' runs other schedules. And each flaw that
%% is put into the algorithm on purpose breaks what must hold.
-module(cambrian_consensus_schedules_tests).
-include_lib("eunit/include/eunit.hrl").

-define(SEEDS, 300).
%% A flaw is found within so many schedules.
-define(MOST, 3000).

nothing_breaks_in_random_schedules_of_faults_test_() ->
    {timeout, 600,
     fun() ->
         Outcomes = [cambrian_consensus_world:run(Seed) || Seed <- seeds()],
         ?assertEqual([], [Breach || {breach, _, _} = Breach <- Outcomes]),
         %% a schedule in which nothing happens or nobody can go on shows little
         Stuck = [1 || {ok, #{stuck := true}} <- Outcomes],
         Epochs = lists:sum([Epochs || {ok, #{epochs := Epochs}} <- Outcomes]),
         ?assert(10 * length(Stuck) < length(Outcomes)),
         ?assert(Epochs > 3 * length(Outcomes))
     end}.

seeds() ->
    case string:split(os:getenv("SEEDS", ""), "-") of
        [From, To] -> lists:seq(list_to_integer(From), list_to_integer(To));
        _ -> lists:seq(1, ?SEEDS)
    end.

a_seed_repeats_a_schedule_test() ->
    ?assertEqual(cambrian_consensus_world:run(7), cambrian_consensus_world:run(7)).

%%% ---- flaws ------------------------------------------------------------------------------

%% `{Flaw, Kind of the breach, Seed of the first schedule that shows it, Text of the code, Text in
%% its place}'. A change of the code may move the seed; the search goes on from it.
flaws() ->
    [{"a voter forgets its promise", two_records, 1612,
      "wait(follow_nobody(C#consensus{promised = Epoch}))", "wait(follow_nobody(C))"},
     {"what promises bring is not proposed again", two_records, 25,
      "begin_epoch(lists:max([none_first(One) || One <- [Accepted | maps:values(Promises)]]),",
      "begin_epoch(begin _ = {Accepted, fun none_first/1}, {{0, <<>>}, none} end,"},
     {"the earliest epoch of what promises bring is proposed again", two_records, 1695,
      "begin_epoch(lists:max([none_first(One) || One <- [Accepted | maps:values(Promises)]]),",
      "begin_epoch(lists:min([none_first(One) || One <- [Accepted, Accepted"
      "    | [P || P <- maps:values(Promises), P =/= none]], One =/= none] ++ [none_first(none)"
      "    || Accepted =:= none, [P || P <- maps:values(Promises), P =/= none] =:= []]),"},
     {"one of three is a majority", two_records, 1,
      "2 * length(Members) > length(voters(C))", "3 * length(Members) >= length(voters(C))"},
     {"what a voter accepts is not kept", two_records, 611,
      "followed(Epoch, persist(Accepted))", "followed(Epoch, Accepted)"},
     {"an epoch outlasts its voters", two_records, 2191,
      "go_on(voters(C) =:= voters(Open), Role, Open)", "go_on(true, Role, Open)"},
     {"a record is learned that does not follow", not_in_order, 15,
      "    case follows_last(Record, C) of\n        true -> commit(Record, C);",
      "    case map_get(number, Record) > number(C) of\n        true -> commit(Record, C);"},
     {"nobody stands for a new epoch", no_progress, 1,
      "case May =/= never andalso is_voter(Me, C) of",
      "case May =/= never andalso is_voter(Me, C) andalso C#consensus.latest =:= {0, <<>>} of"}].

each_flaw_is_found_test_() ->
    [{Name, {timeout, 600,
             fun() -> ?assertEqual(Kind, first_breach(Seed, #{module => flawed(From, To)})) end}}
     || {Name, Kind, Seed, From, To} <- flaws()].

%% A member without a disk must not come back under the name under which it has promised.
a_member_that_forgot_must_not_vote_test_() ->
    {timeout, 600, fun() -> ?assertEqual(two_records, first_breach(611, #{forgetful => true})) end}.

first_breach(Seed, Options) -> first_breach(Seed, Seed + ?MOST, Options).

first_breach(Last, Last, _) -> none;
first_breach(Seed, Last, Options) ->
    case cambrian_consensus_world:run(Seed, Options) of
        {ok, _} -> first_breach(Seed + 1, Last, Options);
        {breach, Seed, What} -> element(1, What)
    end.

%% The module with one text replaced, under another name.
flawed(From, To) ->
    {ok, Source} = file:read_file(cambrian_checkout:path("src/federation/cambrian_consensus.erl")),
    [Before, After] = string:split(Source, From),
    Changed = unicode:characters_to_list([Before, To, After]),
    {ok, Tokens, _} = erl_scan:string(without_macros(Changed)),
    {ok, flawed_consensus, Code} = compile:forms(forms(Tokens, []), []),
    {module, flawed_consensus} = code:load_binary(flawed_consensus, "flawed", Code),
    flawed_consensus.

%% The code has only macros without parameters.
without_macros(Source) ->
    {match, Macros} = re:run(Source, "-define\\((\\w+), ([^%]*?)\\)\\.\n",
                             [global, dotall, {capture, all_but_first, list}]),
    Defined = re:replace(Source, "-define\\(\\w+, [^%]*?\\)\\.\n", "",
                         [global, dotall, {return, list}]),
    Named = string:replace(Defined, "-module(cambrian_consensus)", "-module(flawed_consensus)"),
    lists:foldl(fun([Name, Text], Code) ->
                    lists:flatten(string:replace(Code, [$? | Name], Text, all))
                end, lists:flatten(Named), Macros).

forms([], Forms) -> lists:reverse(Forms);
forms(Tokens, Forms) ->
    {Form, [Dot | Rest]} = lists:splitwith(fun(Token) -> element(1, Token) =/= dot end, Tokens),
    {ok, Parsed} = erl_parse:parse_form(Form ++ [Dot]),
    forms(Rest, [Parsed | Forms]).
