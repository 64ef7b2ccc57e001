%% @private
%% Differences that a bridge is to make, one job after the other, and the callers that wait for
%% each. Callers that ask for the same difference wait for the same job.
-module(cambrian_bridge_jobs).

-export([new/0, add/3, done/2]).
-export_type([jobs/0, job/0]).

-type job() :: {Target :: cambrian_genotype:id(), cambrian_delivery:job()}.
%% The first job is under way.
-opaque jobs() :: [{job(), Callers :: [gen_server:from()]}].

%% More callers are told that the node is busy.
-define(MAX, 16).

-spec new() -> jobs().
new() -> [].

%% @doc `start': nothing else is under way.
-spec add(job(), gen_server:from(), jobs()) -> {start | wait, jobs()} | busy.
add(Job, Caller, Jobs) ->
    case lists:keytake(Job, 1, Jobs) of
        {value, {_, Callers}, _} ->
            {wait, lists:keyreplace(Job, 1, Jobs, {Job, [Caller | Callers]})};
        false when length(Jobs) >= ?MAX -> busy;
        false when Jobs =:= [] -> {start, [{Job, [Caller]}]};
        false -> {wait, Jobs ++ [{Job, [Caller]}]}
    end.

%% @doc The callers of the job that is done, and the job to start next.
-spec done(job(), jobs()) -> {[gen_server:from()], Next :: none | job(), jobs()}.
done(Job, [{Job, Callers} | Left]) ->
    {Callers, case Left of [] -> none; [{Next, _} | _] -> Next end, Left}.
