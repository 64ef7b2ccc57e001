%% Keeps what is logged, for tests.
-module(cambrian_logged).
-export([start/0, said/0, stop/0, log/2]).

start() ->
    ?MODULE = ets:new(?MODULE, [named_table, public, ordered_set]),
    ok = logger:add_handler(?MODULE, ?MODULE, #{level => notice}).

stop() ->
    ok = logger:remove_handler(?MODULE),
    true = ets:delete(?MODULE),
    ok.

%% `{Level, Text}' of each message, in order.
said() -> [Said || {_, Said} <- ets:tab2list(?MODULE)].

log(#{level := Level} = Event, _Config) ->
    Text = logger_formatter:format(Event, #{template => [msg], single_line => true}),
    ets:insert(?MODULE,
               {erlang:unique_integer([monotonic]),
                {Level, lists:flatten(io_lib:format("~ts", [Text]))}}).
