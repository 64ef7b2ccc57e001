%% @doc Limits how much of a machine evolution may take: the number of threads, the share of their
%% time, quiet hours, and pauses while an alarm is set.
%%
%% ```
%% 1> cambrian_governor:configure(#{cpu => 0.5}).
%% ok
%% 2> {ok, #{solved := true}} = cambrian:evolve('xor', #{seed => 42}).
%% 3> maps:with([state, cpu], cambrian_governor:status()).
%% #{cpu => 0.5,state => working}
%% 4> cambrian_governor:configure(#{cpu => 1}).
%% ok
%% '''
%%
%% The result of a run does not depend on these limits. The first settings come from the
%% application's `governor': `{cambrian, [{governor, #{cpu => 0.25, quiet_hours => [{{8, 0}, {20,
%% 0}}]}}]}'. A pause begins before the next genotype, in Rust and in evaluators; it does not
%% interrupt an evaluation.
%%
%% With any settings the library's threads give way to the VM's schedulers: they yield every half a
%% millisecond. On Linux they have the niceness 19, so other programs have priority too.
-module(cambrian_governor).
-behaviour(gen_server).

-export([configure/1, status/0, check_settings/1, start_link/0, pace/3, evaluated/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).
-export_type([settings/0, status/0]).

-define(SEE, <<"type cambrian_governor:settings()">>).

-type settings() :: #{cpu => number(), threads => pos_integer(),
                      quiet_hours => [{clock(), clock()}], alarms => [term()],
                      pause_when => none | fun(() -> boolean()) | {module(), atom(), [term()]},
                      check_interval => pos_integer()}.
%% <ul>
%% <li>`cpu' (1): the share of its time that each thread works, above 0 and up to 1.</li>
%% <li>`threads': how many threads of Rust work at once. The default, and the most, is the number of
%%   schedulers. Jobs that run at the same time, such as the jobs of two populations, share
%%   them.</li>
%% <li>`quiet_hours' ([]): pairs of `{Hour, Minute}', local time, between which evolution pauses;
%% `{{22, 0}, {6, 0}}' is a night.</li>
%% <li>`alarms' ([system_memory_high_watermark, thermal]): the alarms of SASL's `alarm_handler',
%% if it runs, that pause evolution while they are set. `os_mon' sets the first when memory is
%% short.</li>
%% <li>`pause_when' (none): a fun without arguments, or `{Module, Function, Args}', that returns
%%   `true' while evolution must pause. It may take as long as `check_interval'. If it fails, the
%%   governor logs that, and evolution does not pause.</li>
%% <li>`check_interval' (1000): ms between two checks of clock, alarms and `pause_when'.</li>
%% </ul>

-type clock() :: {Hour :: 0..23, Minute :: 0..59}.
-type status() :: #{state := working | {paused, reason()}, cpu := number(),
                    threads := pos_integer(),
                    evaluations := non_neg_integer(), cpu_seconds := float(),
                    evaluations_per_cpu_second := float()}.
%% `cpu_seconds' of the whole VM, and `evaluations' of all populations, both since the governor
%% started.

-type reason() :: quiet_hours | {alarm, term()} | pause_when.

-record(state, {settings :: settings(), pause = none :: none | reason(),
                timer :: undefined | reference(),
                %% of the VM when the governor started, in ms
                cpu_before :: non_neg_integer(),
                %% whether the log already says that `pause_when' fails
                has_logged = false :: boolean()}).

%% The key of the counter of evaluations.
-define(COUNTER, {?MODULE, evaluations}).
%% A pausing process checks after so many ms whether it may work again.
-define(NAP, 20).

%% @doc Changes the given settings and keeps the others. Starts the application if it does not run.
%% If a setting is unknown or a value is out of its range, nothing changes.
%%
%% ```
%% 1> cambrian_governor:configure(#{quiet_hours => [{{0, 0}, {23, 59}}], cpu => 0}).
%% {error,{bad_option,{cpu,0,<<"a number above 0, up to 1">>}}}
%% 2> ok = cambrian_governor:configure(#{pause_when => fun() -> true end}),
%%    maps:get(state, cambrian_governor:status()).
%% {paused,pause_when}
%% 3> ok = cambrian_governor:configure(#{pause_when => none}),
%%    maps:get(state, cambrian_governor:status()).
%% working
%% '''
-spec configure(settings()) -> ok | {error, cambrian_options:error() | term()}.
configure(Settings) ->
    case cambrian_running:ensure() of
        ok -> cambrian_running:call(?MODULE, {configure, Settings});
        Error -> Error
    end.

%% @doc Whether evolution works now or why it pauses, and how much it has done.
%%
%% ```
%% 1> {ok, #{evaluations := Evaluations}} = cambrian:evolve('xor', #{seed => 42}).
%% 2> #{evaluations := All, cpu_seconds := Seconds} = cambrian_governor:status().
%% 3> All >= Evaluations andalso Seconds > 0.
%% true
%% '''
-spec status() -> status().
status() -> cambrian_running:call(?MODULE, status).

%% @private
-spec check_settings(map()) -> ok | {error, cambrian_options:error()}.
check_settings(Settings) ->
    case cambrian_options:check(Settings, table(), ?SEE) of
        {ok, _} -> ok;
        Error -> Error
    end.

%% @private
-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @private Rests after so many µs of work, as the settings demand, and returns when the caller may
%% work again. `Owed' is the rest, in µs, that the last call left over; the result is the rest that
%% this call leaves over. Calls `Alive' before each nap.
-spec pace(Owed :: number(), Worked :: number(), Alive :: fun(() -> term())) -> number().
pace(Owed, Worked, Alive) ->
    case cambrian_nif:governor_duty() of
        1.0 -> 0;
        Duty when Duty > 0 ->
            case Owed + Worked * (1 - Duty) / Duty of
                Rest when Rest < ?NAP * 1000 -> Rest;
                Rest -> nap(Rest - ?NAP * 1000, Alive)
            end;
        _ -> nap(Owed, Alive)
    end.

nap(Owed, Alive) ->
    _ = Alive(),
    timer:sleep(?NAP),
    pace(Owed, 0, Alive).

%% @private Counts evaluations.
-spec evaluated(non_neg_integer()) -> ok.
evaluated(Count) -> counters:add(persistent_term:get(?COUNTER), 1, Count).

%%% ---- settings ---------------------------------------------------------------------------

table() ->
    Threads = erlang:system_info(schedulers_online),
    #{cpu => {fun is_share/1, <<"a number above 0, up to 1">>, 1},
      threads => {fun cambrian_options:is_positive/1, <<"a positive integer">>, Threads},
      quiet_hours => {fun are_hours/1, <<"a list of {{Hour, Minute}, {Hour, Minute}}">>, []},
      alarms => {fun is_list/1, <<"a list of alarms' names">>,
                 [system_memory_high_watermark, thermal]},
      pause_when => {fun is_pause_when/1,
                     <<"none, a fun without arguments or {Module, Function, Args}">>, none},
      check_interval => {fun cambrian_options:is_positive/1, <<"milliseconds, from 1">>, 1000}}.

is_share(X) -> is_number(X) andalso X > 0 andalso X =< 1.

are_hours(Hours) -> is_list(Hours) andalso lists:all(fun is_span/1, Hours).

is_span({From, To}) -> is_clock(From) andalso is_clock(To);
is_span(_) -> false.

is_clock({Hour, Minute}) ->
    lists:member(Hour, lists:seq(0, 23)) andalso lists:member(Minute, lists:seq(0, 59));
is_clock(_) -> false.

is_pause_when(none) -> true;
is_pause_when({Module, Function, Args}) ->
    is_atom(Module) andalso is_atom(Function) andalso is_list(Args);
is_pause_when(Fun) -> is_function(Fun, 0).

%%% ---- server -----------------------------------------------------------------------------

init([]) ->
    process_flag(trap_exit, true),
    persistent_term:put(?COUNTER, counters:new(1, [write_concurrency])),
    Threads = case application:get_env(cambrian, threads) of
                  {ok, Count} -> #{threads => Count};
                  undefined -> #{}
              end,
    Given = maps:merge(Threads, application:get_env(cambrian, governor, #{})),
    case cambrian_options:check(Given, table(), ?SEE) of
        {ok, Settings} ->
            State = #state{settings = Settings, cpu_before = runtime()},
            {ok, check(apply_threads(State))};
        {error, Reason} -> {stop, Reason}
    end.

handle_call({configure, Changes}, _From, #state{settings = Settings} = State) ->
    case cambrian_options:check(Changes, table(), ?SEE) of
        {ok, _} ->
            New = maps:merge(Settings, Changes),
            %% after a crash the governor reads its settings there
            ok = application:set_env(cambrian, governor, New),
            {reply, ok, check(apply_threads(State#state{settings = New, has_logged = false}))};
        Error ->
            {reply, Error, State}
    end;
handle_call(status, _From, State) ->
    {reply, status(State), State};
handle_call(_, _From, State) ->
    {reply, {error, unknown_call}, State}.

handle_cast(_, State) -> {noreply, State}.

handle_info(check, State) -> {noreply, check(State)};
handle_info(_, State) -> {noreply, State}.

terminate(_Reason, _State) -> cambrian_nif:governor_set_duty(1.0).

status(#state{settings = #{cpu := Cpu}, cpu_before = Before, pause = Pause} = State) ->
    Evaluations = counters:get(persistent_term:get(?COUNTER), 1),
    Seconds = (runtime() - Before) / 1000,
    Rate = case Seconds > 0 of true -> Evaluations / Seconds; false -> 0.0 end,
    #{state => case Pause of none -> working; Reason -> {paused, Reason} end,
      cpu => Cpu, threads => threads(State), evaluations => Evaluations, cpu_seconds => Seconds,
      evaluations_per_cpu_second => Rate}.

%% CPU time of the whole VM, in ms.
runtime() -> element(1, erlang:statistics(runtime)).

threads(#state{settings = #{threads := Threads}}) ->
    min(Threads, erlang:system_info(schedulers_online)).

apply_threads(State) ->
    _ = cambrian_nif:pool_start(threads(State)),
    State.

check(#state{settings = #{cpu := Cpu, check_interval := Interval}, timer = Timer} = State) ->
    _ = [erlang:cancel_timer(Timer) || Timer =/= undefined],
    {Pause, Next} = pause(State),
    ok = cambrian_nif:governor_set_duty(case Pause of none -> float(Cpu); _ -> 0.0 end),
    announce(Pause, State),
    Next#state{pause = Pause, timer = erlang:send_after(Interval, self(), check)}.

announce(Pause, #state{pause = Pause}) -> ok;
announce(none, _State) ->
    logger:notice("evolution goes on"),
    cambrian_telemetry:execute([cambrian, governor, resumed], #{count => 1}, #{});
announce(Reason, _State) ->
    logger:notice("evolution pauses: ~tp", [Reason]),
    cambrian_telemetry:execute([cambrian, governor, paused], #{count => 1}, #{reason => Reason}).

%%% ---- whether to work --------------------------------------------------------------------

pause(#state{settings = #{quiet_hours := Hours, alarms := Names}} = State) ->
    {_, {Hour, Minute, _}} = calendar:local_time(),
    IsQuiet = lists:any(fun(Span) -> is_within({Hour, Minute}, Span) end, Hours),
    case {IsQuiet, alarms_set(Names)} of
        {true, _} -> {quiet_hours, State};
        {false, [Alarm | _]} -> {{alarm, Alarm}, State};
        {false, []} -> ask_user(State)
    end.

is_within(Clock, {From, To}) when From =< To -> From =< Clock andalso Clock < To;
is_within(Clock, {From, To}) -> From =< Clock orelse Clock < To.

%% If another handler replaced SASL's own, Cambrian cannot know which alarms are set.
alarms_set(Names) ->
    Set = try gen_event:call(alarm_handler, alarm_handler, get_alarms) of
              Alarms when is_list(Alarms) -> [Name || {Name, _} <- Alarms];
              _ -> []
          catch exit:_ -> []
          end,
    [Name || Name <- Set, lists:member(Name, Names)].

ask_user(#state{settings = #{pause_when := none}} = State) -> {none, State};
ask_user(#state{settings = #{pause_when := Question, check_interval := Interval}} = State) ->
    case answer(Question, Interval) of
        true -> {pause_when, State#state{has_logged = false}};
        false -> {none, State#state{has_logged = false}};
        Other ->
            _ = [logger:warning("pause_when is to answer true or false, and did not: ~tp", [Other])
                 || not State#state.has_logged],
            {none, State#state{has_logged = true}}
    end.

%% Calls the user's code in another process, because it may hang.
answer(Question, Timeout) ->
    case cambrian_async:await(cambrian_async:start(fun() -> ask(Question) end), Timeout) of
        {ok, Answer} -> Answer;
        {error, Reason} -> Reason;
        timeout -> timeout
    end.

ask({Module, Function, Args}) -> apply(Module, Function, Args);
ask(Fun) -> Fun().
