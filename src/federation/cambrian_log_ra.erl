%% @private
%% Decides the records of a {@link cambrian_log} by `ra', RabbitMQ's Raft, over Erlang
%% distribution. `ra' is no dependency of Cambrian: a program that uses it adds it to its own.
%%
%% Every member votes, and every member remembers: `dir' is needed, and belongs to one VM. `ra' runs
%% once in a VM, so the first log that starts it decides the directory. The voters of a record are
%% ra's own, so the record names none, and `seats' and the times are not used.
-module(cambrian_log_ra).
-behaviour(cambrian_log).

-export([is_available/0, init/1, handle/2, wake/1, status/1, stop/1]).
-export_type([state/0]).

%% `ra' is called by a variable, so that Cambrian compiles without it.
-define(RA, ra).
-define(SYSTEM, default).
-define(CALL_MS, 5000).
-define(RETRY_MS, 200).

-record(raft, {ra = ?RA :: module(),
               me :: cambrian_record:member(),
               id :: {atom(), node()},
               log :: atom(),
               name :: binary(),
               contacts :: [node()],
               %% until the server runs as a member
               joined :: boolean(),
               wake = infinity :: integer() | infinity,
               number = -1 :: integer(),
               epoch = none :: none | cambrian_record:epoch()}).
-opaque state() :: #raft{}.

-spec is_available() -> boolean().
is_available() -> code:which(?RA) =/= non_existing.

-spec init(cambrian_log:options()) ->
          {ok, [cambrian_log:event()], state()}
          | {error, {application_unavailable, ra} | {missing_options, [atom()]} | term()}.
init(#{dir := Dir} = Options) ->
    case is_available() of
        true -> started(start_ra(?RA, Dir), Options);
        false -> {error, {application_unavailable, ra}}
    end;
init(_) -> {error, {missing_options, [dir]}}.

start_ra(Ra, Dir) ->
    case application:ensure_all_started(sasl) of
        {ok, _} ->
            _ = application:load(Ra),
            Started = lists:keymember(Ra, 1, application:which_applications()),
            _ = [application:set_env(Ra, data_dir, listed(Dir)) || not Started],
            case application:ensure_all_started(Ra) of
                {ok, _} when Started -> ok;
                {ok, _} -> start_system();
                {error, _} = Error -> Error
            end;
        {error, _} = Error -> Error
    end.

listed(Dir) ->
    {ok, List} = cambrian_file:to_list(Dir),
    List.

start_system() ->
    System = ra_system,
    case System:start_default() of
        {ok, _} -> ok;
        {error, {already_started, _}} -> ok;
        {error, _} = Error -> Error
    end.

started(ok, #{name := Name, members := Members, process := Process} = Options) ->
    Server = binary_to_atom(<<"cambrian_ra_", Name/binary>>),
    R = #raft{me = atom_to_binary(node()), id = {Server, node()}, log = Process, name = Name,
              contacts = [binary_to_atom(Member) || Member <- Members], joined = false,
              number = case Options of #{record := #{number := Number}} -> Number; _ -> -1 end},
    #raft{ra = Ra, id = Id} = R,
    case Ra:restart_server(?SYSTEM, Id) of
        ok -> caught_up(R#raft{joined = true});
        {error, _} -> begin_log(Options, R)
    end;
started({error, _} = Error, _) -> Error.

%% A founder is alone at first; its first command is the first record.
begin_log(#{found := Body}, #raft{ra = Ra, id = Id} = R) ->
    case start_server([Id], R) of
        ok ->
            ok = Ra:trigger_election(Id),
            case Ra:process_command(Id, {found, Body}, ?CALL_MS) of
                {ok, _, _} -> {ok, [], R#raft{joined = true}};
                Other -> {error, Other}
            end;
        {error, _} = Error -> Error
    end;
begin_log(_, R) -> join(R).

start_server(Members, #raft{ra = Ra, id = Id, name = Name, log = Log}) ->
    Machine = {module, cambrian_log_machine, #{log => Log}},
    Ra:start_server(?SYSTEM, Name, Id, Machine, Members).

%% First the others take the member in, then its server starts, so that it knows nothing of its own
%% before it knows them.
join(#raft{contacts = Contacts, id = {Server, _} = Id} = R) ->
    Others = [{Server, Node} || Node <- Contacts, Node =/= node()],
    case taken_in(Others, R) of
        true ->
            case start_server([Id | Others], R) of
                ok -> {ok, [], R#raft{joined = true, wake = infinity}};
                {error, _} = Error -> Error
            end;
        false -> {ok, [], R#raft{wake = erlang:monotonic_time(millisecond) + ?RETRY_MS}}
    end.

taken_in(Others, #raft{ra = Ra, id = Id}) ->
    lists:any(fun(Other) ->
                  try Ra:add_member(Other, Id, ?CALL_MS) of
                      {ok, _, _} -> true;
                      {error, already_member} -> true;
                      _ -> false
                  catch exit:_ -> false
                  end
              end, Others).

-spec handle(cambrian_log:input(), state()) ->
          {ok, [cambrian_log:event()], state()} | {error, term()}.
handle({propose, Epoch, Number, Body}, #raft{ra = Ra, id = Id, me = Me} = R) ->
    case byte_size(Body) =< cambrian_record:max_body() of
        true ->
            ok = Ra:pipeline_command(Id, {propose, Epoch, Number, Body, Me}),
            {ok, [], R};
        false -> {ok, [{rejected, Number, too_large}], R}
    end;
handle({info, {cambrian_log_machine, Event}}, R) -> machine(Event, R);
handle({install, #{number := Number}}, #raft{number = Last} = R) when Number > Last ->
    caught_up(R#raft{number = Number});
handle(tick, #raft{joined = false} = R) -> join(R);
handle(_, R) -> {ok, [], R}.

%% Reports the records that the machine holds and the owner lacks: after a restart, and after ra
%% gave this member a snapshot in place of the commands.
caught_up(#raft{ra = Ra, id = Id, number = Last, epoch = Epoch, me = Me} = R) ->
    case Ra:local_query(Id, fun cambrian_log_machine:records/1, ?CALL_MS) of
        {ok, {_, [#{number := Newest} | _] = Records}, _} when Newest > Last ->
            case lists:reverse([Record || #{number := N} = Record <- Records, N > Last]) of
                [#{number := Next} | _] = Lacking when Next =:= Last + 1 ->
                    {ok, [{committed, Record} || Record <- Lacking], R#raft{number = Newest}};
                _ ->
                    From = case Epoch of {_, Member} -> Member; none -> Me end,
                    {ok, [{behind, Newest, From}], R}
            end;
        _ -> {ok, [], R}
    end.

%% Each replica of the machine says what it applied, again after a restart.
machine({committed, #{number := Number} = Record}, #raft{number = Last} = R)
  when Number =:= Last + 1 ->
    {ok, [{committed, Record}], R#raft{number = Number}};
machine({committed, #{number := Number}}, #raft{number = Last} = R) when Number > Last ->
    caught_up(R);
machine({committed, _}, R) -> {ok, [], R};
machine({coordinator, Epoch}, #raft{epoch = Epoch} = R) -> {ok, [], R};
machine({coordinator, Epoch}, R) -> {ok, [{coordinator, Epoch}], R#raft{epoch = Epoch}};
machine({rejected, Me, Number, Reason}, #raft{me = Me} = R) ->
    {ok, [{rejected, Number, Reason}], R};
machine({rejected, _, _, _}, R) -> {ok, [], R}.

-spec wake(state()) -> integer() | infinity.
wake(#raft{wake = Wake}) -> Wake.

-spec status(state()) -> cambrian_log:status().
status(#raft{ra = Ra, me = Me, id = Id, epoch = Epoch, number = Number, joined = Joined}) ->
    Members = case Joined andalso Ra:members(Id, ?CALL_MS) of
                  {ok, All, _} -> [atom_to_binary(Node) || {_, Node} <- All];
                  _ -> []
              end,
    #{member => Me, coordinator => Epoch, number => Number, voters => lists:sort(Members),
      members => maps:from_list([{Member, -1} || Member <- Members, Member =/= Me]),
      following => []}.

%% The server is a member on the next start again.
-spec stop(state()) -> term().
stop(#raft{ra = Ra, id = Id}) -> Ra:stop_server(?SYSTEM, Id).
