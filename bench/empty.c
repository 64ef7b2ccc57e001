/* A NIF that does nothing: what a call from Erlang costs before any work is done. */

#include <erl_nif.h>

static ERL_NIF_TERM empty(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)env, (void)argc;
    return argv[0];
}

static ErlNifFunc functions[] = {{"empty", 2, empty, 0}};

ERL_NIF_INIT(from_erlang, functions, NULL, NULL, NULL, NULL)
