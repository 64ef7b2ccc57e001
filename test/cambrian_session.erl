%% A session in the shell of Erlang as the documentation shows it: evaluates each expression
%% behind a numbered prompt and compares the answer.
-module(cambrian_session).

-export([is_prompt/1, run/1, evaluate/1, terms/1, started/1]).

is_prompt(Line) -> re:run(Line, "^[0-9]+> ", [unicode]) =/= nomatch.

%% Runs with a freshly started application, without anything of earlier tests, and restores all
%% settings.
started(Run) ->
    {ok, _} = application:ensure_all_started(cambrian),
    try Run()
    after
        application:stop(cambrian),
        application:unload(cambrian),
        forget_messages()
    end.

forget_messages() ->
    receive _ -> forget_messages()
    after 0 -> ok
    end.

-spec run([string()]) -> ok.
run(Lines) ->
    [_ | _] = Steps = steps(Lines),
    _ = lists:foldl(fun step/2, erl_eval:new_bindings(), Steps),
    ok.

%% `{Expression, Answer}' of each prompt; an expression ends with a full stop at the end of its
%% line.
steps(Lines) ->
    case lists:dropwhile(fun(Line) -> not is_prompt(Line) end, Lines) of
        [] -> [];
        [Prompt | Rest] ->
            {Typed, AfterTyped} =
                typed([re:replace(Prompt, "^[0-9]+> ", "", [unicode, {return, list}]) | Rest], []),
            {Answer, Left} = lists:splitwith(fun(Line) -> not is_prompt(Line) end, AfterTyped),
            [{Typed, string:trim(lists:append(Answer))} | steps(Left)]
    end.

typed([Line | Rest], Before) ->
    case re:run(Line, "\\.\\s*$", [unicode]) of
        nomatch -> typed(Rest, Before ++ Line ++ "\n");
        _ -> {Before ++ Line, Rest}
    end;
typed([], Before) -> error(#{typed => Before, expected => "a full stop at the end of a line"}).

step({Typed, Expected}, Bindings) ->
    {Value, Next} = eval(Typed, Expected, Bindings),
    Seen = shown(Value),
    Expected =:= "" orelse term(Seen) =:= term(Expected)
        orelse error(#{typed => Typed, expected => Expected, seen => Seen}),
    Next.

%% Evaluates a block without prompts, one expression after the other; any value is fine.
-spec evaluate(string()) -> ok.
evaluate(Text) ->
    _ = eval(Text, "", erl_eval:new_bindings()),
    ok.

eval(Typed, Expected, Bindings) ->
    try
        {ok, Tokens, _} = erl_scan:string(Typed),
        lists:foldl(fun(Sentence, {_, Known}) ->
                        {ok, Expressions} = erl_parse:parse_exprs(Sentence),
                        {value, Value, Next} = erl_eval:exprs(Expressions, Known),
                        {Value, Next}
                    end, {none, Bindings}, sentences(Tokens))
    catch
        Class:Reason:Stack ->
            erlang:raise(error, #{typed => Typed, expected => Expected, seen => {Class, Reason}},
                         Stack)
    end.

%% The terms of a text that contains nothing else, such as a configuration.
-spec terms(string()) -> {ok, [term()]} | error.
terms(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text),
    Parsed = [erl_parse:parse_term(Sentence) || Sentence <- sentences(Tokens)],
    case [Term || {ok, Term} <- Parsed] of
        Terms when length(Terms) =:= length(Parsed) -> {ok, Terms};
        _ -> error
    end.

sentences([]) -> [];
sentences(Tokens) ->
    {Sentence, [Dot | Rest]} = lists:splitwith(fun(Token) -> element(1, Token) =/= dot end, Tokens),
    [Sentence ++ [Dot] | sentences(Rest)].

shown(Value) -> lists:flatten(io_lib:format("~tp", [Value])).

%% The shown answer as a term, since the order of a map's keys differs between releases.
%% References, process ids and times differ from run to run.
term(Shown) ->
    Plain =
        lists:foldl(fun({Pattern, Same}, T) ->
            re:replace(T, Pattern, Same, [global, unicode, {return, list}]) end,
                    Shown,
                    [{"#Ref<[0-9.]+>", "ref"}, {"<[0-9]+\\.[0-9]+\\.[0-9]+>", "pid"},
                     {"#Fun<[^>]+>", "'fun'"},
                     {"elapsed_ms\\s*=>\\s*[0-9]+", "elapsed_ms=>0"},
                     {"evaluations_per_second\\s*=>\\s*[0-9]+", "evaluations_per_second=>0"}]),
    case erl_scan:string(Plain ++ ".") of
        {ok, Tokens, _} ->
            case erl_parse:parse_term(Tokens) of
                {ok, Term} -> Term;
                {error, _} -> {no_term, Plain}
            end;
        _ -> {no_term, Plain}
    end.
