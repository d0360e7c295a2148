/*
 * What a shell has to do: hand over the words up to the cursor, and offer what comes back. `kelp completion candidates -- WORDS` answers
 * with `files` or `words` on the first line, then a word and a tab and what it means on each.
 */

/** Readline breaks words at `=` and `:` too and puts a candidate in place of the last piece only. */
const bash = `# bash completion for kelp: source <(kelp completion bash)
_kelp() {
  local line=\${COMP_LINE:0:COMP_POINT} kind word about typed piece
  local -a words
  read -ra words <<<"$line"
  [[ $line == *[[:blank:]] ]] && words+=('')
  typed=\${words[\${#words[@]}-1]}
  piece=\${typed##*[=:]}
  COMPREPLY=()
  {
    read -r kind
    while IFS=$'\\t' read -r word about; do
      COMPREPLY+=("$(printf %q "\${word#"\${typed%"$piece"}"}")")
      [[ $word == *[=/] ]] && compopt -o nospace 2>/dev/null
    done
  } < <(kelp completion candidates -- "\${words[@]:1}" 2>/dev/null)
  [[ $kind == files ]] && compopt -o default 2>/dev/null
  return 0
}
complete -F _kelp kelp
`;

const zsh = `#compdef kelp
# zsh completion for kelp: source <(kelp completion zsh), after compinit
_kelp() {
  local -a answer
  local line word
  answer=("\${(@f)$(kelp completion candidates -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ $answer[1] == files ]]; then
    compset -P '*='
    _files
    return
  fi
  shift answer
  for line in $answer; do
    word=\${line%%$'\\t'*}
    if [[ $word == *[=/] ]]; then compadd -S '' -- "$word"; else compadd -- "$word"; fi
  done
}
compdef _kelp kelp
`;

const fish = `# fish completion for kelp: kelp completion fish | source
function __kelp_candidates
    set -l words (commandline -opc) (commandline -ct)
    set -l answer (kelp completion candidates -- $words[2..-1] 2>/dev/null)
    if test "$answer[1]" = files
        __fish_complete_path (commandline -ct)
    else
        printf '%s\\n' $answer[2..-1]
    end
end
complete -c kelp -f -a '(__kelp_candidates)'
`;

/** A script for each shell, to be sourced. */
export const scripts: Readonly<Record<'bash' | 'zsh' | 'fish', string>> = { bash, zsh, fish };
