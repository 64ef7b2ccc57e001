%% @private
-module(cambrian_mesh_sup).
-behaviour(supervisor).

-export([start_link/0, init/1]).

start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

%% A bridge is added when one is asked for. It starts anew when its transport, or what it trusts by, had to.
%% A stranger who finds a way to crash the bridge must not reach the populations with it.
init([]) ->
    Trust = #{id => cambrian_trust, start => {cambrian_trust, start_link, []}},
    {ok, {#{strategy => rest_for_one, intensity => 20, period => 10}, [Trust, cambrian_transport_dist:child_spec()]}}.
