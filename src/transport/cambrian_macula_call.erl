%% @private
%% Calls over Macula. One call is two calls of Macula: the first delivers the question and returns
%% at once, because Macula runs no other call on the link meanwhile; the second, in the other
%% direction, delivers the answer.
-module(cambrian_macula_call).

-export([serve/3, call/5, receive_call/2, procedure/1, deadline/1, time_left/1]).

-type handle() :: cambrian_macula_handle:handle().
-type deadline() :: infinity | integer().

%% The first byte of the bytes in a call of Macula.
-define(QUESTION, 2).
-define(ANSWER, 3).
%% The time limit for Macula to deliver a question or an answer.
-define(HAND_OVER_MS, 4000).

-spec serve(handle(), cambrian_transport:procedure(), cambrian_transport:handler()) ->
          ok | {error, term()}.
serve(#{table := Table}, Procedure, Handler) ->
    try ets:insert(Table, {{procedure, Procedure}, Handler}) of
        true -> ok
    catch error:badarg -> {error, disconnected}
    end.

-spec call(handle(), cambrian_transport:address(), cambrian_transport:procedure(), binary(),
           timeout()) -> {ok, binary()} | {error, term()}.
call(#{table := Table} = Handle, To, Procedure, Bytes, Timeout) ->
    Reference = crypto:strong_rand_bytes(16),
    Alias = alias(),
    try fits(Bytes) andalso ets:insert(Table, {{asked, Reference}, Alias}) of
        true ->
            try ask(Handle, To, Procedure, Reference, Bytes, deadline(Timeout), Alias)
            after delete(Table, {asked, Reference})
            end;
        false -> {error, too_large}
    catch
        error:badarg -> {error, disconnected}
    after
        unalias(Alias),
        receive {Alias, _} -> ok after 0 -> ok end
    end.

fits(Bytes) -> byte_size(Bytes) =< cambrian_transport:max_message().

ask(#{address := From} = Handle, To, Procedure, Reference, Bytes, Deadline, Alias) ->
    Question = <<?QUESTION, Reference/binary, (ms_until(Deadline, 16#ffffffff)):32,
                 (byte_size(From)), From/binary, (byte_size(Procedure)), Procedure/binary,
                 Bytes/binary>>,
    case hand_over(Handle, To, Question, ms_until(Deadline, ?HAND_OVER_MS)) of
        {ok, <<"started">>} ->
            receive {Alias, Answer} -> read_answer(Answer)
            after time_left(Deadline) -> {error, timeout}
            end;
        {ok, Refusal} -> {error, read_refusal(Refusal)};
        {error, {call_error, _, _}} -> {error, gone};
        {error, timeout} -> {error, case time_left(Deadline) of 0 -> timeout; _ -> gone end};
        {error, _} = Error -> Error
    end.

hand_over(#{sdk := Sdk, realm := Realm} = Handle, To, Bytes, Ms) ->
    Call = fun(Pool) -> Sdk:call(Pool, Realm, procedure(To), Bytes, Ms) end,
    cambrian_macula_handle:with_pool(Handle, Call).

%% @doc The one procedure of Macula through which a node receives questions and answers.
-spec procedure(cambrian_transport:address()) -> binary().
procedure(Address) -> <<"cambrian/", Address/binary>>.

%% @doc Receives a question or an answer. It runs in Macula's process, so it only forwards the
%% bytes. The address in a question is not verified: it is only the caller's claim.
-spec receive_call(handle(), binary()) -> Reply :: binary().
receive_call(Handle, <<?QUESTION, Reference:16/binary, Ms:32, L, From:L/binary,
                       P, Procedure:P/binary, Bytes/binary>>) ->
    receive_question(Handle, Procedure, From, Reference, Ms, Bytes);
receive_call(Handle, <<?ANSWER, Reference:16/binary, Answer/binary>>) ->
    receive_answer(Handle, Reference, Answer);
receive_call(_, _) -> <<"malformed">>.

receive_question(#{table := Table, handlers := Handlers} = Handle, Procedure, From, Reference, Ms,
                 Bytes) ->
    Most = cambrian_transport:max_handlers(),
    case {look_up(Table, {procedure, Procedure}),
          cambrian_macula_handle:take_slot(Handlers, Most)} of
        {{ok, Handler}, true} ->
            Work = fun() -> Handler(Bytes, unknown) end,
            _ = spawn(fun() -> answer(Handle, From, Reference, Ms, Work) end),
            <<"started">>;
        {{ok, _}, false} -> <<"busy">>;
        {error, IsTaken} ->
            _ = [cambrian_macula_handle:free_slot(Handlers) || IsTaken],
            <<"unknown">>
    end.

answer(#{handlers := Handlers} = Handle, To, Reference, Ms, Work) ->
    Answer = answer_of(cambrian_async:await(cambrian_async:start(Work), Ms)),
    cambrian_macula_handle:free_slot(Handlers),
    hand_over(Handle, To, <<?ANSWER, Reference/binary, Answer/binary>>, ?HAND_OVER_MS).

answer_of({ok, busy}) -> <<"b">>;
answer_of({ok, Answer}) when is_binary(Answer) ->
    case fits(Answer) of
        true -> <<"a", Answer/binary>>;
        false -> <<"l">>
    end;
answer_of(timeout) -> <<"t">>;
answer_of(_) -> <<"c">>.

read_answer(<<"a", Answer/binary>>) -> {ok, Answer};
read_answer(<<"l">>) -> {error, too_large};
read_answer(<<"b">>) -> {error, busy};
read_answer(<<"t">>) -> {error, timeout};
read_answer(<<"c">>) -> {error, crashed};
read_answer(_) -> {error, malformed}.

read_refusal(<<"busy">>) -> busy;
read_refusal(<<"unknown">>) -> unknown_procedure;
read_refusal(_) -> malformed.

receive_answer(#{table := Table}, Reference, Answer) ->
    case look_up(Table, {asked, Reference}) of
        {ok, Alias} ->
            Alias ! {Alias, Answer},
            <<"taken">>;
        error -> <<"late">>
    end.

look_up(Table, Key) ->
    try ets:lookup(Table, Key) of
        [{_, Value}] -> {ok, Value};
        [] -> error
    catch error:badarg -> error
    end.

%% The connection may have ended, and its table with it.
delete(Table, Key) ->
    try ets:delete(Table, Key)
    catch error:badarg -> true
    end.

%%% ---- time -------------------------------------------------------------------------------

-spec deadline(timeout()) -> deadline().
deadline(infinity) -> infinity;
deadline(Timeout) -> erlang:monotonic_time(millisecond) + Timeout.

-spec time_left(deadline()) -> timeout().
time_left(infinity) -> infinity;
time_left(Deadline) -> max(0, Deadline - erlang:monotonic_time(millisecond)).

%% Macula takes a timeout of at least 1 ms, and not `infinity'.
ms_until(Deadline, Most) -> max(1, min(Most, time_left(Deadline))).
