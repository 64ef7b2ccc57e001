%% @private
%% The log of a federation's records: all members see the same records in the same order, and
%% no record is ever replaced.
%%
%% ```
%% 1> {ok, Log} = cambrian_log:start_link(#{name => <<"pole">>, found => <<"settings">>,
%%                                         engine => cambrian_log_quorum}).
%% 2> receive {cambrian_log, Log, {coordinator, Epoch}} -> ok end.
%% 3> cambrian_log:propose(Log, Epoch, 1, <<"scores">>).
%% 4> receive {cambrian_log, Log, {committed, #{number := 1, body := Body}}} -> Body end.
%% <<"scores">>
%% 5> cambrian_log:stop(Log).
%% ok
%% '''
%%
%% The log is a process. Its owner gets `{cambrian_log, Log, Event}', see {@link event()}. A module
%% with this behaviour runs in that process, and decides the records; it answers events for the
%% owner, or an error, which ends the log: {@link cambrian_log_quorum}, which needs nothing, or
%% {@link cambrian_log_ra}, over RabbitMQ's Raft. All members must use the same.
-module(cambrian_log).
-behaviour(gen_server).

-export([start_link/1, propose/4, install/2, deliver/3, up/2, down/2, status/1, stop/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).
-export_type([log/0, options/0, event/0, input/0, status/0]).

-type log() :: pid().
-type member() :: cambrian_record:member().
-type epoch() :: cambrian_record:epoch().
-type record() :: cambrian_record:record().

-type options() :: #{name := binary(), engine => module(), owner => pid(),
                     found => Body :: binary(), record => record(), members => [member()],
                     dir => file:filename_all(), coordinator => auto | never | always,
                     seats => 1 | 3 | 5 | 7, beat_ms => pos_integer(),
                     silence_ms => pos_integer(), window => pos_integer(),
                     send => fun((From :: member(), To :: member(), binary()) -> term()),
                     process => atom()}.
%% `name' is the federation's. `found' begins the log with a record of this body, unless the member
%% remembers one; otherwise the member joins the log of `members', which are names of nodes.
%% `record' is that of the owner's checkpoint: events go on after it. With `dir' the member
%% remembers there what it promised, and the last `window' records (64), so a checkpoint may be that
%% old. `owner' is by default the caller; `engine' is {@link cambrian_log_ra} if ra is on the code
%% path, there is a `dir' and no `send', else {@link cambrian_log_quorum}, to which the rest
%% belongs. `process' is for the engine.

-type event() :: {committed, record()}
               | {coordinator, epoch() | none}
               | {rejected, non_neg_integer(), Reason :: term()}
               | {behind, non_neg_integer(), member()}.
%% `committed': each record once and in order. `coordinator': who coordinates now; if it is this
%% member, see {@link status/1}, the owner may propose. `rejected': the proposal of this number was
%% refused, as `not_coordinator', `busy', `too_large' or `{next, Number}'. A proposal of a
%% coordinator that is replaced may be committed later or never. `behind': the owner needs a
%% checkpoint of this record or a later one, which that member has, for {@link install/2}; the event
%% is repeated until then.

-type status() :: #{member := member(), coordinator := epoch() | none, number := integer(),
                    voters := [member()], members := #{member() => integer()},
                    following := [member()]}.
%% `number' is that of the last committed record, or -1. `members' are the other known members with
%% their last record; `following' those that have acknowledged the epoch of this coordinator.

-type input() :: {propose, epoch(), non_neg_integer(), binary()} | {install, record()}
               | {message, member(), binary()} | {up | down, member()} | {info, term()} | tick.

-callback init(options()) -> {ok, [event()], State :: term()} | {error, Reason :: term()}.
-callback handle(input(), State) ->
              {ok, [event()], State} | {error, Reason :: term()} when State :: term().
-callback wake(State :: term()) -> integer() | infinity.
%% When to bring the next `tick', in ms of `erlang:monotonic_time'.

-callback status(State :: term()) -> status().
-callback stop(State :: term()) -> term().

-record(state, {engine :: module(), owner :: pid(), value :: term()}).

%% @doc Starts a log, linked to the caller. It ends with its owner. A log whose disk fails ends with
%% the reason `{not_kept, Reason}': it may no longer vote.
-spec start_link(options()) ->
          {ok, log()}
          | {error, cambrian_options:error() | {missing_options, [atom()]}
                  | {application_unavailable, ra} | term()}.
start_link(Options) ->
    case cambrian_options:check(Options, options(), <<"type cambrian_log:options()">>) of
        {ok, #{name := _} = Checked} ->
            start(maps:merge(#{engine => engine(Checked)}, Checked));
        {ok, _} -> {error, {missing_options, [name]}};
        {error, _} = Error -> Error
    end.

%% With a `send' of its own a log is found by its owner, and many can be in one VM.
start(#{send := _} = Options) -> gen_server:start_link(?MODULE, Options, []);
start(#{name := Name} = Options) ->
    Process = binary_to_atom(<<"cambrian_log_", Name/binary>>),
    gen_server:start_link({local, Process}, ?MODULE, Options#{process => Process}, []).

engine(#{dir := _} = Options) when not is_map_key(send, Options) ->
    case cambrian_log_ra:is_available() of
        true -> cambrian_log_ra;
        false -> cambrian_log_quorum
    end;
engine(_) -> cambrian_log_quorum.

options() ->
    Positive = fun cambrian_options:is_positive/1,
    Positively = <<"an integer, more than 0">>,
    #{name => {fun(Name) -> is_binary(Name) andalso byte_size(Name) =< 64 end,
               <<"a binary of at most 64 bytes">>},
      engine => {fun is_atom/1, <<"a module">>},
      owner => {fun is_pid/1, <<"a process">>, self()},
      found => {fun is_body/1, <<"a binary of at most 1 MiB">>},
      record => {fun(Record) -> is_map_key(hash, Record) end, <<"a record">>},
      members => {fun(Members) -> lists:all(fun cambrian_record:is_member/1, Members) end,
                  <<"a list of binaries">>, []},
      dir => {fun(Dir) -> cambrian_file:to_raw(Dir) =/= error end, <<"a path">>},
      coordinator => {fun(May) -> lists:member(May, [auto, never, always]) end,
                      <<"auto, never or always">>, auto},
      seats => {fun(Seats) -> lists:member(Seats, [1, 3, 5, 7]) end, <<"1, 3, 5 or 7">>, 3},
      beat_ms => {Positive, Positively, 200},
      silence_ms => {Positive, Positively, 1500},
      window => {Positive, Positively, 64},
      send => {fun(Send) -> is_function(Send, 3) end, <<"a fun of three arguments">>}}.

is_body(Body) -> is_binary(Body) andalso byte_size(Body) =< cambrian_record:max_body().

%% @doc Proposes the record of this number. Only the owner of the coordinator may, in its epoch, one
%% record at a time.
-spec propose(log(), epoch(), Number :: non_neg_integer(), Body :: binary()) -> ok.
propose(Log, Epoch, Number, Body) -> gen_server:cast(Log, {propose, Epoch, Number, Body}).

%% @doc Goes on from the committed record of a checkpoint.
-spec install(log(), record()) -> ok.
install(Log, Record) -> gen_server:cast(Log, {install, Record}).

%% @doc Brings what another member's `send' has carried.
-spec deliver(log(), From :: member(), binary()) -> ok.
deliver(Log, From, Bytes) -> gen_server:cast(Log, {message, From, Bytes}).

%% @doc A member can be reached.
-spec up(log(), member()) -> ok.
up(Log, Member) -> gen_server:cast(Log, {up, Member}).

%% @doc A member has ended. If it was the coordinator, another stands at once.
-spec down(log(), member()) -> ok.
down(Log, Member) -> gen_server:cast(Log, {down, Member}).

-spec status(log()) -> status().
status(Log) -> gen_server:call(Log, status, infinity).

-spec stop(log()) -> ok.
stop(Log) -> gen_server:stop(Log).

%%% ---- the process ------------------------------------------------------------------------

-spec init(options()) -> {ok, #state{}, timeout()} | {stop, term()}.
init(#{engine := Engine, owner := Owner} = Options) ->
    _ = monitor(process, Owner),
    case Engine:init(Options) of
        {ok, Events, Value} ->
            tell(Events, Owner),
            State = #state{engine = Engine, owner = Owner, value = Value},
            {ok, State, until_wake(State)};
        {error, Reason} -> {stop, Reason}
    end.

-spec handle_call(status, gen_server:from(), #state{}) -> {reply, status(), #state{}, timeout()}.
handle_call(status, _From, #state{engine = Engine, value = Value} = State) ->
    {reply, Engine:status(Value), State, until_wake(State)}.

-spec handle_cast(input(), #state{}) ->
          {noreply, #state{}, timeout()} | {stop, term(), #state{}}.
handle_cast(Input, State) -> handle(Input, State).

-spec handle_info(term(), #state{}) ->
          {noreply, #state{}, timeout()} | {stop, term(), #state{}}.
handle_info({'DOWN', _, process, Owner, _}, #state{owner = Owner} = State) ->
    {stop, normal, State};
handle_info(timeout, State) -> handle(tick, State);
handle_info(Info, State) -> handle({info, Info}, State).

handle(Input, #state{engine = Engine, owner = Owner, value = Value} = State) ->
    case Engine:handle(Input, Value) of
        {ok, Events, Next} ->
            tell(Events, Owner),
            Changed = State#state{value = Next},
            {noreply, Changed, until_wake(Changed)};
        {error, Reason} -> {stop, Reason, State}
    end.

-spec terminate(term(), #state{}) -> term().
terminate(_Reason, #state{engine = Engine, value = Value}) -> Engine:stop(Value).

tell(Events, Owner) ->
    lists:foreach(fun(Event) -> Owner ! {cambrian_log, self(), Event} end, Events).

until_wake(#state{engine = Engine, value = Value}) ->
    case Engine:wake(Value) of
        infinity -> infinity;
        At -> max(0, At - erlang:monotonic_time(millisecond))
    end.
