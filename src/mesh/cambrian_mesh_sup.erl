%% @private
-module(cambrian_mesh_sup).
-behaviour(supervisor).

-export([start_link/0, init/1]).

start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

%% A bridge is added when one is asked for. It subscribes anew when its transport had to restart.
init([]) -> {ok, {#{strategy => rest_for_one}, [cambrian_transport_dist:child_spec()]}}.
