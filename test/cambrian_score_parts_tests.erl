%% Scores that take several records, and coordinators that are replaced between them.
-module(cambrian_score_parts_tests).
-include_lib("eunit/include/eunit.hrl").

-define(ONE, {1, <<"one">>}).
-define(TWO, {2, <<"two">>}).

few_scores_are_one_part_test() ->
    Scores = {[#{fitness => 1.5}, failed], [{2, timeout}]},
    {ok, [Part]} = cambrian_score_parts:split(Scores),
    ?assertEqual({whole, Scores}, cambrian_score_parts:add({?ONE, 1, 1, Part}, none())).

many_scores_are_the_same_after_all_their_parts_test() ->
    Scores = scores(3_000_000),
    {ok, Parts} = cambrian_score_parts:split(Scores),
    ?assertEqual(3, length(Parts)),
    [?assert(byte_size(Part) < cambrian_record:max_body()) || Part <- Parts],
    ?assertEqual({whole, Scores}, added(?ONE, Parts, none())).

a_new_coordinator_begins_anew_test() ->
    {ok, [First | _] = Parts} = cambrian_score_parts:split(scores(2_000_000)),
    Other = scores(1_500_000),
    {ok, Others} = cambrian_score_parts:split(Other),
    {partial, Known} = cambrian_score_parts:add({?ONE, 1, length(Parts), First}, none()),
    ?assertEqual({2, 1}, {cambrian_score_parts:next(?ONE, Known),
                          cambrian_score_parts:next(?TWO, Known)}),
    ?assertEqual({whole, Other}, added(?TWO, Others, Known)).

%% The first part may have been cut off by an order that began the evaluation anew.
a_part_without_those_before_it_is_dropped_test() ->
    {ok, [First, Second]} = cambrian_score_parts:split(scores(1_500_000)),
    ?assertEqual({partial, none()}, cambrian_score_parts:add({?ONE, 2, 2, Second}, none())),
    {partial, Known} = cambrian_score_parts:add({?ONE, 1, 2, First}, none()),
    ?assertEqual({partial, Known}, cambrian_score_parts:add({?TWO, 2, 2, Second}, Known)).

scores_have_a_bound_test_() ->
    {timeout, 60, fun() ->
        {too_large, Bytes} = cambrian_score_parts:split(scores(34_000_000)),
        ?assert(Bytes > cambrian_score_parts:most())
    end}.

none() -> cambrian_score_parts:none().

added(Epoch, Parts, Known) -> added(Epoch, 1, length(Parts), Parts, Known).

added(Epoch, Nth, Of, [Part | Parts], Known) ->
    ?assertEqual(Nth, cambrian_score_parts:next(Epoch, Known)),
    case cambrian_score_parts:add({Epoch, Nth, Of, Part}, Known) of
        {partial, Next} -> added(Epoch, Nth + 1, Of, Parts, Next);
        {whole, Scores} when Parts =:= [] -> {whole, Scores}
    end.

%% That do not compress.
scores(Bytes) -> {[#{fitness => 1.0, behaviour => crypto:strong_rand_bytes(Bytes)}], []}.
