%% @private
%% Describes what a program did wrong, for the texts of `cambrian_error' and `cambrian_fault'.
-module(cambrian_program_fault).

-export([did/2]).

-type moment() :: start | evaluation.
%% Whether the program was to send its first message, or to answer a question.

-define(MAX_BYTES, 16).
-define(MAX_TEXT, 400).

%% @doc What the program did, to follow its name; `none' if the term is no fault of a program.
-spec did(term(), moment()) -> unicode:chardata() | none.
did(program_not_found, _) -> "is not on the PATH";
did({program_not_started, Why}, _) -> ["did not start: ", reason(Why)];
did({program_exited, unknown}, _) -> "ended";
did({program_exited, Status}, start) when is_integer(Status) ->
    ["ended with ", status(Status), " before its first message; its standard error goes to that of "
     "this VM"];
did({program_exited, Status}, evaluation) when is_integer(Status) ->
    ["ended with ", status(Status)];
did({program_hangs, Ms}, start) when is_integer(Ms) ->
    io_lib:format("sent no first message within ~b ms", [Ms]);
did({program_hangs, Ms}, evaluation) when is_integer(Ms) ->
    io_lib:format("sent no answer within ~b ms", [Ms]);
did({program_failed, Message}, _) when is_binary(Message) ->
    ["says: ", cambrian_text:text(Message)];
did({bad_answer, Answer}, _) ->
    case answer(Answer) of
        none -> none;
        Words -> [Words, "; see docs/programs.md"]
    end;
did(_, _) -> none.

answer({unsupported_protocol, Got, Expected}) when is_integer(Got), is_integer(Expected) ->
    io_lib:format("speaks protocol ~b, but Cambrian speaks ~b", [Got, Expected]);
answer({text, Start}) when is_binary(Start) ->
    ["printed ", bytes(Start), " where an answer was expected; its text must go to standard error"];
answer({unasked, Start}) when is_binary(Start) ->
    ["sent ", bytes(Start), " without a question"];
answer({too_large, Size, Most}) when is_integer(Size), is_integer(Most) ->
    io_lib:format("announced an answer of ~b bytes, expected at most ~b", [Size, Most]);
answer({no_messagepack, <<>>}) -> "sent an empty message, expected a map in MessagePack";
answer({no_messagepack, Start}) when is_binary(Start) ->
    ["sent ", bytes(Start), ", expected a map in MessagePack"];
answer({no_map, Shown}) when is_binary(Shown) ->
    ["sent ", cambrian_text:text(Shown), ", expected a map"];
answer({hello, Shown}) when is_binary(Shown) ->
    ["began with ", cambrian_text:text(Shown), ", expected protocol, inputs and outputs in range"];
answer({another_hello, _}) ->
    "announced other numbers when it was started again";
answer({no_bytes, Key}) when is_binary(Key) ->
    ["sent an answer without ", Key, " as bytes"];
answer({wrong_size, Key, Expected, Got}) when is_binary(Key), is_integer(Expected),
                                              is_integer(Got) ->
    io_lib:format("sent ~b bytes of ~ts, expected ~b", [Got, Key, Expected]);
answer(_) -> none.

%% A shell adds 128 to the number of the signal that ended a program.
status(Status) when Status > 128, Status =< 128 + 64 ->
    io_lib:format("status ~b, by signal ~b", [Status, Status - 128]);
status(Status) -> io_lib:format("status ~b", [Status]).

reason(Posix) when is_atom(Posix) -> file:format_error(Posix);
reason(Other) -> io_lib:format("~0tP", [Other, 20], [{chars_limit, ?MAX_TEXT}]).

%% A text in quotation marks, with escapes; other bytes as hexadecimal numbers. A cut may be within
%% a character.
bytes(Bytes) ->
    Text = case unicode:characters_to_list(Bytes) of
               {incomplete, Start, _} -> Start;
               {error, _, _} -> none;
               Whole -> Whole
           end,
    case io_lib:printable_unicode_list(Text) of
        true -> io_lib:write_string(Text);
        false -> ["the bytes ", hexadecimal(Bytes)]
    end.

hexadecimal(<<First:?MAX_BYTES/binary, _, _/binary>>) -> [hexadecimal(First), " ..."];
hexadecimal(Bytes) -> lists:join($\s, [io_lib:format("~2.16.0b", [Byte]) || <<Byte>> <= Bytes]).
