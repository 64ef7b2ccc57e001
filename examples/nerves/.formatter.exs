[inputs: ["{mix,.formatter}.exs", "{config,lib,rel,test}/**/*.{ex,exs}"]]
