"""What Streamlit itself says on a page, in English, and what we say instead (`streamlit_words.js` puts it there)."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.words import FALLBACK

# English, as in Streamlit's script -> language -> ours. "{}" stands for any text, which is looked up here in turn.
# tests/test_streamlit_words.py notices when the installed Streamlit says it otherwise.
WORDS = {
    # the window: state, menu, dialogs
    "Running...": {"pt_BR": "Ocupado..."},
    "Connecting": {"pt_BR": "Conectando"},
    "Connecting to Streamlit server": {"pt_BR": "Conectando ao servidor"},
    "Unable to connect to Streamlit server": {"pt_BR": "Sem conexão com o servidor"},
    "Connection error": {"pt_BR": "Sem conexão"},
    "Connection timed out.": {"pt_BR": "O servidor demorou demais a responder."},
    "Connection failed with status {}": {"pt_BR": "A conexão falhou com o código {}"},
    "Is Streamlit still running? If you accidentally stopped Streamlit, just restart it in your terminal:": {
        "pt_BR": "O servidor ainda está ligado? Se parou, inicie-o de novo no terminal:"
    },
    "Streamlit server is not responding. Are you connected to the internet?": {
        "pt_BR": "O servidor não responde. Este computador está na rede?"
    },
    "Page not found": {"pt_BR": "Página não encontrada"},
    "The page that you have requested does not seem to exist": {"pt_BR": "A página pedida não existe"},
    "You have requested page /{}, but no corresponding file was found in the app's pages/ directory": {
        "pt_BR": "A página /{} não existe"
    },
    "{}. Running the app's main page.": {"pt_BR": "{}. Esta é a página inicial."},
    "Error": {"pt_BR": "Erro"},
    "Close": {"pt_BR": "Fechar"},
    "Try again": {"pt_BR": "Tentar de novo"},
    "Script execution error": {"pt_BR": "Erro na página"},
    "Network issue": {"pt_BR": "Problema de rede"},
    "Main menu": {"pt_BR": "Menu principal"},
    "Skip to main content": {"pt_BR": "Ir para o conteúdo"},
    "Theme": {"pt_BR": "Tema"},
    "System": {"pt_BR": "Do sistema"},
    "Light": {"pt_BR": "Claro"},
    "Dark": {"pt_BR": "Escuro"},
    "Print": {"pt_BR": "Imprimir"},
    "Record screen": {"pt_BR": "Gravar a tela"},
    "Rerun": {"pt_BR": "Executar de novo"},
    "Made with Streamlit v": {"pt_BR": "Feito com Streamlit v"},
    "Copy version to clipboard": {"pt_BR": "Copiar a versão"},
    "Copied": {"pt_BR": "Copiado"},
    "Copy to clipboard": {"pt_BR": "Copiar"},
    "App pages": {"pt_BR": "Páginas"},
    "Notifications": {"pt_BR": "Avisos"},
    "Shortcut {}": {"pt_BR": "Tecla {}"},
    "Scroll tabs left": {"pt_BR": "Abas à esquerda"},
    "Scroll tabs right": {"pt_BR": "Abas à direita"},
    "Help": {"pt_BR": "Ajuda"},
    "Help for {}": {"pt_BR": "Ajuda sobre {}"},
    "Link to heading": {"pt_BR": "Link para o título"},
    # fields
    "Press Enter to {}": {"pt_BR": "Enter para {}"},
    "Press {}+Enter to {}": {"pt_BR": "{}+Enter para {}"},
    "apply": {"pt_BR": "aplicar"},
    "submit form": {"pt_BR": "enviar"},
    "Choose an option": {"pt_BR": "Escolha uma opção"},
    "Choose options": {"pt_BR": "Escolha opções"},
    "No options to select": {"pt_BR": "Nada a escolher"},
    "No results": {"pt_BR": "Nada encontrado"},
    "Select all": {"pt_BR": "Selecionar tudo"},
    "Select {} matches": {"pt_BR": "Selecionar {} encontrados"},
    "Clear all": {"pt_BR": "Limpar tudo"},
    "Clear value": {"pt_BR": "Limpar o valor"},
    "Clear entry": {"pt_BR": "Limpar"},
    "Remove {}": {"pt_BR": "Remover {}"},
    "Selected values": {"pt_BR": "Valores escolhidos"},
    "Open": {"pt_BR": "Abrir"},
    "Increment": {"pt_BR": "Aumentar"},
    "Decrement": {"pt_BR": "Diminuir"},
    "Invalid input.": {"pt_BR": "Valor inválido."},
    "Number is above the allowed range. Please enter a value less than or equal to {}.": {
        "pt_BR": "Número grande demais: no máximo {}."
    },
    "Number is below the allowed range. Please enter a value greater than or equal to {}.": {
        "pt_BR": "Número pequeno demais: no mínimo {}."
    },
    "Number is outside the allowed range. Please enter a value between {} and {}.": {
        "pt_BR": "Número fora dos limites: de {} a {}."
    },
    "Pagination": {"pt_BR": "Páginas da lista"},
    "Previous page": {"pt_BR": "Página anterior"},
    "Next page": {"pt_BR": "Próxima página"},
    "Page {}": {"pt_BR": "Página {}"},
    # files
    "Upload": {"pt_BR": "Enviar arquivo"},
    "Add files": {"pt_BR": "Adicionar arquivos"},
    "Drag and drop a file here": {"pt_BR": "Solte um arquivo aqui"},
    "{} per file": {"pt_BR": "até {}"},
    "{} files are not allowed.": {"pt_BR": "Arquivos {} não são aceitos."},
    "File must be {} or smaller.": {"pt_BR": "O arquivo pode ter até {}."},
    "Cancel upload of {}": {"pt_BR": "Cancelar o envio de {}"},
    "Upload failed": {"pt_BR": "O envio falhou"},
    "Download failed": {"pt_BR": "O download falhou"},
    "Image source failed to load": {"pt_BR": "A imagem não pôde ser carregada"},
    # the camera
    "Take Photo": {"pt_BR": "Fotografar"},
    "Clear photo": {"pt_BR": "Apagar a foto"},
    "Switch camera": {"pt_BR": "Trocar de câmera"},
    "This app would like to use your camera.": {"pt_BR": "Permita que esta página use a câmera."},
    "Learn how to allow access.": {"pt_BR": "Como permitir."},
    # charts and tables
    "Fullscreen": {"pt_BR": "Tela cheia"},
    "Close fullscreen": {"pt_BR": "Sair da tela cheia"},
    "Show data": {"pt_BR": "Mostrar os dados"},
    "Show chart": {"pt_BR": "Mostrar o gráfico"},
    "Download as PNG": {"pt_BR": "Baixar como PNG"},
    "Copy Vega-Lite spec": {"pt_BR": "Copiar a descrição Vega-Lite"},
    "Copied!": {"pt_BR": "Copiado!"},
    "Download as CSV": {"pt_BR": "Baixar como CSV"},
    "Show/hide columns": {"pt_BR": "Mostrar ou ocultar colunas"},
    "Search": {"pt_BR": "Buscar"},
    "Close Search": {"pt_BR": "Fechar a busca"},
    "Previous Result": {"pt_BR": "Resultado anterior"},
    "Next Result": {"pt_BR": "Próximo resultado"},
    "Clear selection": {"pt_BR": "Limpar a seleção"},
    "Dataframe column menu": {"pt_BR": "Menu da coluna"},
    "Copy column name": {"pt_BR": "Copiar o nome da coluna"},
    "Sort ascending": {"pt_BR": "Ordem crescente"},
    "Sort descending": {"pt_BR": "Ordem decrescente"},
    "Autosize": {"pt_BR": "Ajustar a largura"},
    "Pin column": {"pt_BR": "Fixar a coluna"},
    "Unpin column": {"pt_BR": "Soltar a coluna"},
    "Hide column": {"pt_BR": "Ocultar a coluna"},
    "Format": {"pt_BR": "Formato"},
    "Automatic": {"pt_BR": "Automático"},
    "Localized": {"pt_BR": "Do idioma"},
    "Plain": {"pt_BR": "Simples"},
    "Compact": {"pt_BR": "Compacto"},
    "Dollar": {"pt_BR": "Dólar"},
    "Percent": {"pt_BR": "Porcentagem"},
    "Scientific": {"pt_BR": "Científico"},
    "Accounting": {"pt_BR": "Contábil"},
    "Average": {"pt_BR": "Média"},
    "Average length": {"pt_BR": "Comprimento médio"},
    "Based on sample": {"pt_BR": "De uma amostra"},
    "Count": {"pt_BR": "Quantidade"},
    "Distinct": {"pt_BR": "Distintos"},
    "Empty": {"pt_BR": "Vazios"},
    "Maximum": {"pt_BR": "Máximo"},
    "Maximum length": {"pt_BR": "Comprimento máximo"},
    "Median": {"pt_BR": "Mediana"},
    "Minimum": {"pt_BR": "Mínimo"},
    "Minimum length": {"pt_BR": "Comprimento mínimo"},
    "Range": {"pt_BR": "Amplitude"},
    "Standard deviation": {"pt_BR": "Desvio padrão"},
    "Sum": {"pt_BR": "Soma"},
    "Values": {"pt_BR": "Valores"},
    "Top values frequency chart": {"pt_BR": "Gráfico dos valores mais frequentes"},
    "No data": {"pt_BR": "Sem dados"},
    "{}: {}": {"pt_BR": "{}: {}"},  # a button's word and what it belongs to: "Search: Runs"
    "progress": {"pt_BR": "progresso"},
    "{} icon": {"pt_BR": "ícone {}"},
    "Scrollable table": {"pt_BR": "Tabela que rola"},
}

_translator = st.components.v2.component(  # pyright: ignore[reportAttributeAccessIssue]
    "bancada.streamlit_words", js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
)


def speak(language: str) -> None:
    """Declare the page's language, by which a screen reader chooses its voice, and have Streamlit's words in it."""
    words = [] if language == FALLBACK else [[english, ours[language]] for english, ours in WORDS.items()]
    _translator(data={"language": language.replace("_", "-"), "words": words})
