%% @private
%% Supervises populations. Each population has its own supervisor, its guard, so that a population
%% that crashes again and again ends without harm to the others.
-module(cambrian_population_sup).
-behaviour(supervisor).

-export([start_link/0, start/1, population/1, stop/1, start_guard/1, init/1]).

start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, populations).

%% @doc Starts a population by this call, and again after each crash. Returns its guard.
-spec start({module(), atom(), [term()]}) -> {ok, Guard :: pid()} | {error, term()}.
start(Call) -> supervisor:start_child(?MODULE, [Call]).

%% @doc The population under a guard. After a crash it has another pid.
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

%% The guard starts before its population, so that a failed start of the population is returned as
%% an error. A supervisor that starts together with its child would log a report instead.
start_guard(Call) ->
    {ok, Guard} = supervisor:start_link(?MODULE, guard),
    Child = #{id => population, start => Call, restart => transient, significant => true},
    case supervisor:start_child(Guard, Child) of
        {ok, _} -> {ok, Guard};
        {error, {Reason, _Child}} ->
            stop_guard(Guard),
            {error, Reason}
    end.

stop_guard(Guard) ->
    Monitor = monitor(process, Guard),
    exit(Guard, shutdown),
    receive {'DOWN', Monitor, process, _, _} -> ok end.

init(populations) ->
    Guard = #{id => guard, start => {?MODULE, start_guard, []}, restart => temporary,
              type => supervisor},
    {ok, {#{strategy => simple_one_for_one}, [Guard]}};
init(guard) ->
    {ok, {#{strategy => one_for_one, intensity => 5, period => 10,
            auto_shutdown => any_significant}, []}}.
