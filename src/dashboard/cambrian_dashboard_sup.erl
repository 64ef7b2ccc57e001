%% @private
%% Supervises the dashboard: access control, the state of the node, and the listener.
-module(cambrian_dashboard_sup).
-behaviour(supervisor).

-export([start_link/1, init/1]).

-spec start_link(map()) -> {ok, pid()} | {error, term()}.
start_link(Options) -> supervisor:start_link({local, ?MODULE}, ?MODULE, Options).

init(Options) ->
    Children = [#{id => access, start => {cambrian_dashboard_access, start_link, [Options]}},
                #{id => state, start => {cambrian_dashboard_state, start_link, []}},
                #{id => listener, start => {cambrian_dashboard_listener, start_link, [Options]}}],
    {ok, {#{strategy => rest_for_one, intensity => 5, period => 60}, Children}}.
