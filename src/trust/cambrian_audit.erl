%% @private
%% Records decisions and refusals for people to read later: lines of `time what key=value ...' in
%% three separate logs ({@link cambrian_audit_log}), so that a full log never removes lines of
%% another.
%%
%% `decisions' has the decisions of people on this node, and the damage that the node found; other
%% nodes cannot add to it. `verdicts' has this node's conclusions about others: bans by reputation,
%% successions. `refusals' has what the realm refused. Other nodes cause lines of the last two
%% kinds, so each kind gets at most ten lines a minute, then a count of the rest: others cannot keep
%% the disk busy.
%%
%% The owner holds this value. A separate process writes the files, so that a slow disk does not
%% delay the owner.
-module(cambrian_audit).
-behaviour(gen_server).

-export([open/1, open/2, decided/4, concluded/4, refusal/2, last/1, flush/1, writer/1, written/1,
         close/1, read/2]).
-export([init/1, handle_call/3, handle_cast/2, terminate/2]).
-export_type([audit/0, refusal/0, entry/0]).

-opaque audit() :: #{writer := none | pid(), last := [refusal()],
                     window := #{{kind(), What :: atom()} => {Written :: non_neg_integer(),
                                                              Counted :: non_neg_integer()}}}.
-type kind() :: decisions | verdicts | refusals.
%% `origin' and `genotype' are claims; `name' is the name of the origin's key; `time' is in ms since
%% 1970; `detail' is what the check found.
-type refusal() :: #{time := integer(), reason := atom(),
                     origin := undefined | cambrian_identity:key(),
                     genotype := undefined | cambrian_genotype:id(),
                     name => cambrian_identity:name(), task => binary(),
                     sequence => non_neg_integer(), base => cambrian_genotype:id(),
                     detail => term()}.
-type entry() :: #{time := binary(), what := binary(), details := #{binary() => binary()}}.
%% `time' as in RFC 3339, in UTC.

-define(KEPT, 100).
-define(SIZES, #{decisions => {1 bsl 20, 8}, verdicts => {1 bsl 20, 4}, refusals => {1 bsl 20, 4}}).
-define(LINES, 10).
-define(WINDOW_MS, 60_000).
%% Bounds the waiting lines, so that they do not fill the memory while the disk accepts nothing.
-define(MAX_QUEUE, 1000).
-define(IDS, [origin, genotype, base, key, old, new, id]).

-record(state, {dir :: cambrian_file:path(), sizes :: #{kind() => {pos_integer(), pos_integer()}},
                logs = #{} :: #{kind() => cambrian_audit_log:log()},
                %% lines that are not written yet, the last one first
                waiting = #{} :: #{kind() => [binary()]},
                failed = #{} :: #{kind() => term()}}).

%% @doc Opens the logs in a directory; with `none', keeps only the last refusals.
-spec open(none | cambrian_file:path()) -> audit().
open(Dir) -> open(Dir, ?SIZES).

-spec open(none | cambrian_file:path(),
           #{kind() => {Bytes :: pos_integer(), Files :: pos_integer()}}) -> audit().
open(none, _Sizes) -> #{writer => none, last => [], window => #{}};
open(Dir, Sizes) ->
    {ok, Writer} = gen_server:start_link(?MODULE, {Dir, Sizes}, []),
    (open(none))#{writer := Writer}.

%% @doc Records a decision of a person, or damage.
-spec decided(Time :: integer(), What :: atom(), map(), audit()) -> audit().
decided(Time, What, Details, Audit) -> send(decisions, line(Time, What, Details), Audit).

%% @doc Records a conclusion of this node, unless this minute has too many lines of its kind.
-spec concluded(Time :: integer(), What :: atom(), map(), audit()) -> audit().
concluded(Time, What, Details, Audit) -> limited(verdicts, Time, What, Details, Audit).

%% @doc Records a refusal under the same limit, and always keeps it in memory.
-spec refusal(refusal(), audit()) -> audit().
refusal(#{time := Time, reason := Reason} = Refusal, #{last := Last} = Audit) ->
    Kept = Audit#{last := [Refusal | lists:sublist(Last, ?KEPT - 1)]},
    limited(refusals, Time, Reason, maps:without([time, reason], Refusal), Kept).

%% The owner receives `{cambrian_audit, flush}' at the end of the window.
limited(_Kind, _Time, _What, _Details, #{writer := none} = Audit) -> Audit;
limited(Kind, Time, What, Details, #{writer := Writer, window := Window} = Audit) ->
    _ = [erlang:send_after(?WINDOW_MS, self(), {?MODULE, flush}) || map_size(Window) =:= 0],
    {Written, Counted} = maps:get({Kind, What}, Window, {0, 0}),
    case Written < ?LINES andalso keeps_up(Writer) of
        true ->
            send(Kind, line(Time, What, Details),
                 Audit#{window := Window#{{Kind, What} => {Written + 1, Counted}}});
        false -> Audit#{window := Window#{{Kind, What} => {Written, Counted + 1}}}
    end.

keeps_up(Writer) ->
    case process_info(Writer, message_queue_len) of
        {message_queue_len, Length} -> Length < ?MAX_QUEUE;
        undefined -> false
    end.

%% @doc Records how many lines of each kind were omitted, and begins a new window.
-spec flush(audit()) -> audit().
flush(#{window := Window} = Audit) ->
    Now = os:system_time(millisecond),
    lists:foldl(fun({{Kind, What}, Count}, A) ->
                    send(Kind, line(Now, What, #{count => Count}), A) end,
                Audit#{window := #{}},
                [{Of, Count} || {Of, {_, Count}} <- lists:sort(maps:to_list(Window)), Count > 0]).

send(_Kind, _Line, #{writer := none} = Audit) -> Audit;
send(Kind, Line, #{writer := Writer} = Audit) ->
    gen_server:cast(Writer, {line, Kind, Line}),
    Audit.

%% @doc The last 100 refusals, the last one first.
-spec last(audit()) -> [refusal()].
last(#{last := Last}) -> Last.

-spec writer(audit()) -> none | pid().
writer(#{writer := Writer}) -> Writer.

%% @doc Whether all decisions so far are in their file and survive a power cut. Retries the lines
%% that are not written yet.
-spec written(Writer :: none | pid()) -> ok | {error, cambrian_file:error()}.
written(none) -> ok;
written(Writer) -> gen_server:call(Writer, written, infinity).

-spec close(audit()) -> ok.
close(#{writer := none}) -> ok;
close(#{writer := Writer} = Audit) ->
    _ = flush(Audit),
    %% the owner may be ending because the writer failed
    try gen_server:stop(Writer)
    catch exit:_ -> ok
    end.

%% @doc Reads a log, the oldest entry first, and its damage.
-spec read(cambrian_file:path(), kind()) ->
          {ok, [entry()], [cambrian_audit_log:damage()]} | {error, cambrian_file:error()}.
read(Dir, Kind) ->
    case cambrian_audit_log:read(Dir, atom_to_binary(Kind)) of
        {ok, Lines, Damage} -> {ok, [entry(Line) || Line <- Lines], Damage};
        Error -> Error
    end.

%% The checksums are right, so this node wrote these lines.
entry(Line) ->
    [Time, What | Pairs] = binary:split(Line, <<" ">>, [global]),
    #{time => Time, what => unquoted(What),
      details => maps:from_list([pair(binary:split(Pair, <<"=">>)) || Pair <- Pairs])}.

pair([Key, Value]) -> {Key, unquoted(Value)}.

unquoted(Text) ->
    {ok, Plain} = cambrian_file:unquoted(Text),
    Plain.

line(Time, What, Details) ->
    Stamp = calendar:system_time_to_rfc3339(Time, [{unit, millisecond}, {offset, "Z"}]),
    Pairs = [[" ", atom_to_binary(Key), "=", text(Key, Value)]
             || {Key, Value} <- lists:sort(maps:to_list(Details)), Value =/= undefined],
    iolist_to_binary([Stamp, " ", cambrian_file:quote(atom_to_binary(What)), Pairs]).

%% Quotes text, so that text from a stranger cannot begin a line or a key.
text(Key, Id) when is_binary(Id) ->
    case lists:member(Key, ?IDS) of
        true -> cambrian_text:hex(Id);
        false -> cambrian_file:quote(Id)
    end;
text(_Key, Number) when is_integer(Number) -> integer_to_binary(Number);
text(_Key, Other) ->
    cambrian_file:quote(unicode:characters_to_binary(io_lib:format("~0tp", [Other]))).

%%% ---- the process that writes the files ----------------------------------------------------

%% @private
init({Dir, Sizes}) ->
    process_flag(trap_exit, true),
    {ok, #state{dir = Dir, sizes = Sizes}}.

%% @private
handle_cast({line, Kind, Line}, State) -> {noreply, write(Kind, [Line], State)};
handle_cast(_, State) -> {noreply, State}.

%% @private
handle_call(written, _From, State) ->
    #state{logs = Logs, failed = Failed} = Tried = write(decisions, [], State),
    Answer = case {Failed, Logs} of
                 {#{decisions := Reason}, _} -> {error, Reason};
                 {_, #{decisions := Log}} -> cambrian_audit_log:sync(Log);
                 _ -> ok
             end,
    {reply, Answer, Tried};
handle_call(_, _From, State) ->
    {reply, {error, unknown_call}, State}.

%% @private
terminate(_Reason, State) ->
    #state{logs = Logs} =
        lists:foldl(fun(Kind, S) -> write(Kind, [], S) end, State, maps:keys(State#state.waiting)),
    lists:foreach(fun(Log) -> _ = cambrian_audit_log:sync(Log), cambrian_audit_log:close(Log) end,
                  maps:values(Logs)).

%% Writes waiting lines first. While the disk stays full, keeps only the newest lines.
write(Kind, New, #state{waiting = Waiting, failed = Failed} = State) ->
    case New ++ maps:get(Kind, Waiting, []) of
        [] -> State;
        Lines ->
            case open_log(Kind, State) of
                {ok, Log, Opened} ->
                    append_all(Kind, lists:reverse(Lines), Log,
                               Opened#state{failed = maps:remove(Kind, Failed)});
                {error, Reason} -> keep_waiting(Kind, Reason, Lines, State)
            end
    end.

append_all(Kind, [], Log, #state{logs = Logs, waiting = Waiting} = State) ->
    State#state{logs = Logs#{Kind => Log}, waiting = maps:remove(Kind, Waiting)};
append_all(Kind, [Line | Lines], Log, #state{logs = Logs} = State) ->
    case cambrian_audit_log:append(Line, Log) of
        {ok, Next} -> append_all(Kind, Lines, Next, State);
        {error, Reason, Same} ->
            keep_waiting(Kind, Reason, lists:reverse([Line | Lines]),
                         State#state{logs = Logs#{Kind => Same}})
    end.

keep_waiting(Kind, Reason, Lines, #state{waiting = Waiting, failed = Failed} = State) ->
    _ = [logger:error("cambrian: the audit of ~ts is not written: ~tp", [Kind, Reason])
         || not is_map_key(Kind, Failed)],
    State#state{waiting = Waiting#{Kind => lists:sublist(Lines, ?MAX_QUEUE)},
                failed = Failed#{Kind => Reason}}.

open_log(Kind, #state{logs = Logs, dir = Dir, sizes = Sizes} = State) ->
    case Logs of
        #{Kind := Log} -> {ok, Log, State};
        _ ->
            case cambrian_audit_log:open(Dir, atom_to_binary(Kind), maps:get(Kind, Sizes)) of
                {ok, Log, Damage} -> {ok, record_damage(Damage, Log), State};
                Error -> Error
            end
    end.

%% Records the damage of a log in that log too.
record_damage(Damage, Log) ->
    lists:foldl(fun(#{file := File, line := Number, reason := Reason} = One, Open) ->
                    logger:warning("cambrian: an audit log is damaged: ~tp", [One]),
                    Details = #{file => filename:basename(File), line => Number, reason => Reason},
                    Line = line(os:system_time(millisecond), damaged_audit, Details),
                    case cambrian_audit_log:append(Line, Open) of
                        {ok, Next} -> Next;
                        {error, _, Same} -> Same
                    end
                end, Log, Damage).
