%% @private
%% Populations, each under a guard of its own: one that keeps crashing gives up alone.
-module(cambrian_population_sup).
-behaviour(supervisor).

-export([start_link/0, start/1, population/1, stop/1, start_guard/1, init/1]).

start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, populations).

%% @doc Starts what the call starts, and starts it again when it dies; the answer is its guard.
-spec start({module(), atom(), [term()]}) -> {ok, Guard :: pid()} | {error, term()}.
start(Call) -> supervisor:start_child(?MODULE, [Call]).

%% @doc The population as it runs now.
-spec population(Guard :: pid()) -> {ok, pid()} | {error, gone}.
population(Guard) ->
    try supervisor:which_children(Guard) of
        [{_, Pid, _, _}] when is_pid(Pid) -> {ok, Pid};
        _ -> {error, gone}
    catch exit:_ -> {error, gone}
    end.

-spec stop(Guard :: pid()) -> ok.
stop(Guard) ->
    _ = supervisor:terminate_child(?MODULE, Guard),
    ok.

%% The population comes second: what cannot start is answered, where a supervisor that starts with it would report it.
start_guard(Call) ->
    {ok, Guard} = supervisor:start_link(?MODULE, guard),
    case supervisor:start_child(Guard, #{id => population, start => Call, restart => transient, significant => true}) of
        {ok, _} -> {ok, Guard};
        {error, {Reason, _Child}} -> ended(Guard), {error, Reason}
    end.

ended(Guard) ->
    Monitor = monitor(process, Guard),
    exit(Guard, shutdown),
    receive {'DOWN', Monitor, process, _, _} -> ok end.

init(populations) ->
    Guard = #{id => guard, start => {?MODULE, start_guard, []}, restart => temporary, type => supervisor},
    {ok, {#{strategy => simple_one_for_one}, [Guard]}};
init(guard) ->
    {ok, {#{strategy => one_for_one, intensity => 5, period => 10, auto_shutdown => any_significant}, []}}.
