%% @private
%% The top supervisor. The store starts before the populations, which read their checkpoints from
%% it, and the warden before the programs that it guards.
-module(cambrian_sup).
-behaviour(supervisor).
-export([start_link/0, init/1]).

start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

init([]) ->
    Children = [worker(cambrian_governor),
                worker(cambrian_store),
                worker(cambrian_lineage),
                worker(cambrian_program_warden),
                worker(cambrian_program_pool),
                supervisor(cambrian_population_sup),
                supervisor(cambrian_mesh_sup)],
    {ok, {#{strategy => one_for_one, intensity => 5, period => 60}, Children}}.

worker(Module) -> #{id => Module, start => {Module, start_link, []}}.
supervisor(Module) -> #{id => Module, start => {Module, start_link, []}, type => supervisor}.
