%% @private
%% A queue of differences that a bridge must make, one job after the other, and the callers that
%% wait for each job. Callers that request the same difference wait for the same job.
-module(cambrian_bridge_jobs).

-export([new/0, add/3, done/2]).
-export_type([jobs/0, job/0]).

-type job() :: {Target :: cambrian_genotype:id(), cambrian_delivery:job()}.
%% The first job is running.
-opaque jobs() :: [{job(), Callers :: [gen_server:from()]}].

%% With so many callers, a further caller gets `busy'.
-define(MAX, 16).

-spec new() -> jobs().
new() -> [].

%% @doc Adds a caller. `start': no other job is running.
-spec add(job(), gen_server:from(), jobs()) -> {start | wait, jobs()} | busy.
add(Job, Caller, Jobs) ->
    case lists:keytake(Job, 1, Jobs) of
        {value, {_, Callers}, _} ->
            {wait, lists:keyreplace(Job, 1, Jobs, {Job, [Caller | Callers]})};
        false when length(Jobs) >= ?MAX -> busy;
        false when Jobs =:= [] -> {start, [{Job, [Caller]}]};
        false -> {wait, Jobs ++ [{Job, [Caller]}]}
    end.

%% @doc The callers of the finished job, and the job to start next.
-spec done(job(), jobs()) -> {[gen_server:from()], Next :: none | job(), jobs()}.
done(Job, [{Job, Callers} | Left]) ->
    {Callers, case Left of [] -> none; [{Next, _} | _] -> Next end, Left}.
